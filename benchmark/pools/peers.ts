/** The compared pools, full of items, and their loops. */
import * as Effect from "#test/Effect"
import * as Scope from "#test/Scope"
import * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import * as Pool from "effect/Pool"
import * as ResourcePool from "../../src/ResourcePool.js"
import type { Run } from "../harness/measure.js"

export interface Item {
  id: number
}

let made = 0

export const makeItem = (): Item => ({ id: made++ })

/** A scope that stays open until the process ends. */
const scope = Effect.runSync(Scope.make())

export const open = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
  Effect.runPromise(Scope.extend(effect, scope))

export const resourcePool = (
  size: number,
  options: Partial<ResourcePool.Options<Item, never, never>> = {}
): Promise<ResourcePool.ResourcePool<Item>> =>
  open(
    ResourcePool.make({ acquire: Effect.sync(makeItem), minSize: size, maxSize: size, ...options }).pipe(
      Effect.tap((pool) => pool.ready)
    )
  )

export const effectPool = (size: number): Promise<Pool.Pool<Item>> =>
  open(Effect.gen(function*() {
    let created = 0
    const acquire = Effect.sync(() => {
      created++
      return makeItem()
    })
    const pool = yield* Pool.make({ acquire, size })
    while (created < size) yield* Effect.sleep(Duration.millis(5))
    return pool
  }))

/** Effect 4's `Pool.use`; Effect 3 has none. */
export const effectPoolUse = Reflect.get(Pool, "use") as PoolUse

type PoolUse = <A, E, B, E2, R>(
  pool: Pool.Pool<A, E>,
  f: (item: A) => Effect.Effect<B, E2, R>
) => Effect.Effect<B, E | E2, R>

export const genericPool = async (size: number) => {
  const { createPool } = await import("generic-pool")
  const pool = createPool<Item>(
    { create: async () => makeItem(), destroy: async () => undefined },
    { min: size, max: size }
  )
  await pool.ready()
  return pool
}

export const tarnPool = async (size: number) => {
  const { Pool } = await import("tarn")
  const pool = new Pool<Item>({ create: async () => makeItem(), destroy: () => undefined, min: size, max: size })
  // this pool creates items only on request
  const items = await Promise.all(Array.from({ length: size }, () => pool.acquire().promise))
  for (const item of items) pool.release(item)
  return pool
}

export const lightningPool = async (size: number) => {
  const { createPool } = await import("lightning-pool")
  const pool = createPool<Item>(
    { create: makeItem, destroy: () => undefined },
    { min: size, max: size, maxQueue: Number.MAX_SAFE_INTEGER }
  )
  const items = await Promise.all(Array.from({ length: size }, () => pool.acquire()))
  for (const item of items) await pool.releaseAsync(item)
  return pool
}

/** One fiber for all operations of a sample. It calls `make` for each, as a user's code does. */
export const effectLoop = <A, E>(make: () => Effect.Effect<A, E>): Run => (operations) => {
  let i = 0
  return Effect.runPromise(Effect.whileLoop({ while: () => i++ < operations, body: make, step: () => undefined }))
}

/** The work of a borrow, if it does not matter. */
export const trivial = Effect.sync(() => 1)
export const succeeded = Exit.succeed(1)
