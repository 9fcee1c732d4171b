/** Layers of scoped effects. */
import * as Layer from "effect/Layer"

export const scoped = Layer.scoped
export const scopedContext = Layer.scopedContext
export const unwrap = Layer.unwrapEffect
