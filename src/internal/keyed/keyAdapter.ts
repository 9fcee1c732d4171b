/** The hooks of a pool by key, for the pool of one key. They are made when they are called: most keys have few items. */
import * as Effect from "effect/Effect"
import { asTheyAre } from "../engine/asTheyAre.js"
import type { PoolAdapter } from "../engine/contract.js"
import { wrongAnswer } from "../options/optionChecks.js"
import type { KeyedHooks } from "./contract.js"

type Adapter<A, E, R> = PoolAdapter<A, E, R, A>

export class KeyAdapter<K, A, E, R> implements Adapter<A, E, R> {
  private readonly hooks: KeyedHooks<K, A, E, R>
  private readonly key: K
  private readonly pool: string

  constructor(hooks: KeyedHooks<K, A, E, R>, key: K, pool: string) {
    this.hooks = hooks
    this.key = key
    this.pool = pool
  }

  get acquire(): Adapter<A, E, R>["acquire"] {
    const { hooks: { acquire }, key, pool } = this
    return Effect.suspend(() => {
      const creation: unknown = acquire(key)
      if (Effect.isEffect(creation)) return creation as Effect.Effect<A, E, R>
      return Effect.die(wrongAnswer(pool, "acquire", "an Effect", creation))
    })
  }

  get concurrency(): Adapter<A, E, R>["concurrency"] {
    const { hooks: { concurrency }, key } = this
    return typeof concurrency === "function" ? (item) => concurrency(item, key) : undefined
  }

  get lost(): Adapter<A, E, R>["lost"] {
    const { hooks: { lost }, key } = this
    return lost && ((item) => lost(item, key))
  }

  get retire(): Adapter<A, E, R>["retire"] {
    const { hooks: { retire }, key } = this
    return retire && ((item) => retire(item, key))
  }

  get validate(): Adapter<A, E, R>["validate"] {
    const { hooks: { validate }, key } = this
    return validate && ((item, info) => validate(item, info, key))
  }

  get ping(): Adapter<A, E, R>["ping"] {
    const { hooks: { keepAlive }, key } = this
    return keepAlive && ((item) => keepAlive.ping(item, key))
  }

  get onRelease(): Adapter<A, E, R>["onRelease"] {
    const { hooks: { onRelease }, key } = this
    return onRelease && ((item, exit, info) => onRelease(item, exit, info, key))
  }

  // an accessor, so that a pool recognizes it

  get end(): Adapter<A, E, R>["end"] {
    return asTheyAre.end
  }

  view(item: A): A {
    return item
  }

  core(view: A): A {
    return view
  }
}
