/** Layers of scoped effects. */
import type * as Context from "effect/Context"
import * as Layer from "effect/Layer"

export const scoped = Layer.effect
export const scopedContext = Layer.effectContext
export const unwrap = Layer.unwrap

/** What a service is found by. */
export type Tag<Self, Service> = Context.Key<Self, Service>
