import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

export * from "effect/Random"

export const make = (seed: string): Random.Random =>
  Effect.runSync(Random.withSeed(Effect.service(Random.Random), seed))
