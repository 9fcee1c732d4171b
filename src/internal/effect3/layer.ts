/** Layers of scoped effects. */
import type * as Context from "effect/Context"
import * as Layer from "effect/Layer"

export const scoped = Layer.scoped
export const scopedContext = Layer.scopedContext
export const unwrap = Layer.unwrapEffect

/** What a service is found by. */
export type Tag<Self, Service> = Context.Tag<Self, Service>
