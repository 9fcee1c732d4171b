import type * as Effect from "effect/Effect"

export * from "effect/Effect"

export type Success<T extends Effect.Effect<any, any, any>> = Effect.Effect.Success<T>
