/** Code that the compiler has to accept or refuse; checked with the types, never run. */
import * as Effect from "#test/Effect"
import type * as Layer from "#test/Layer"
import type * as Scope from "#test/Scope"
import type { ArrayList } from "effect-pools/ArrayList"
import * as BufferPool from "effect-pools/BufferPool"
import * as CollectionPool from "effect-pools/CollectionPool"
import * as ObjectPool from "effect-pools/ObjectPool"
import * as Resettable from "effect-pools/Resettable"
import * as TieredBufferPool from "effect-pools/TieredBufferPool"

interface Point {
  x: number
  y: number
}

declare const pool: ObjectPool.Service<Point>
declare const buffers: BufferPool.Service
declare const tiers: TieredBufferPool.Service
declare const collections: CollectionPool.Service

declare const expect: <A>(value: A) => void

// the pool adds no errors; the body's errors and requirements remain
expect<Effect.Effect<number>>(pool.use((point) => Effect.succeed(point.x)))
expect<Effect.Effect<number, "mine", Scope.Scope>>(
  pool.use((point) => point.x > 0 ? Effect.as(Effect.scope, point.x) : Effect.fail("mine" as const))
)
expect<Effect.Effect<number>>(pool.useSync((point) => point.x))
expect<Effect.Effect<Point, never, Scope.Scope>>(pool.get)
expect<Point>(pool.lease().value)
expect<Disposable>(pool.lease())
expect<boolean>(pool.lease().discard())
expect<boolean>(buffers.lease().discard())
expect<boolean>(tiers.lease(1).discard())
expect<Disposable>(buffers.lease())
expect<Uint8Array<ArrayBuffer>>(tiers.unsafeAcquire(100))

// the object's type comes from the factory, also for the hooks
expect<Effect.Effect<ObjectPool.Service<Point>, never, Scope.Scope>>(
  ObjectPool.make({
    factory: () => ({ x: 0, y: 0 }),
    reset: Resettable.fields({ x: 0, y: 0 }),
    validate: (point) => point.x === 0
  })
)
expect<Effect.Effect<ObjectPool.Service<ArrayList<string>>, never, Scope.Scope>>(
  ObjectPool.makeResettable((): ArrayList<string> => undefined as never)
)
// a reset returns nothing, or whether the object can be lent again
expect(ObjectPool.make({ factory: () => ({ x: 0, y: 0 }), reset: (point) => point.x < 100 }))
expect(ObjectPool.make({ factory: () => [1], reset: (list) => list.length > 100 ? false : undefined }))
expect(ObjectPool.makeResettable(() => ({ reset: () => false })))
// methods of a builder return the builder
class Builder {
  reset(): this {
    return this
  }
}
expect(ObjectPool.makeResettable(() => new Builder()))

// the user's own tag
class Points extends ObjectPool.Tag("test/Points")<Points, Point>() {}
class Pages extends BufferPool.Tag("test/Pages")<Pages>() {}
class Frames extends TieredBufferPool.Tag("test/Frames")<Frames>() {}
class Batches extends CollectionPool.Tag("test/Batches")<Batches>() {}
expect<Layer.Layer<Points>>(Points.layer({ factory: () => ({ x: 0, y: 0 }) }))
expect<Layer.Layer<Pages>>(Pages.layer({ bufferSize: 4096 }))
expect<Layer.Layer<Frames>>(Frames.layer())
expect<Layer.Layer<Batches>>(Batches.layer())
expect<Effect.Effect<number, never, Points>>(Effect.flatMap(Points, (points) => points.useSync((point) => point.x)))

// collections of the borrower's own types
expect<Effect.Effect<number>>(collections.useArray((lines: Array<string>) => Effect.succeed(lines.length)))
expect<Effect.Effect<number | undefined>>(
  collections.useMap((counts: Map<string, number>) => Effect.succeed(counts.get("a")))
)
expect<Effect.Effect<void, never, CollectionPool.CollectionPool>>(
  CollectionPool.useList((list: ArrayList<Point>) => Effect.sync(() => void list.push({ x: 0, y: 0 })))
)

// @ts-expect-error a number is not an object
expect(ObjectPool.make({ factory: () => 1 }))
// @ts-expect-error the pool does not wait for a reset
expect(ObjectPool.make({ factory: () => ({ x: 0, y: 0 }), reset: async () => {} }))
// @ts-expect-error the pool does not run a reset that is an effect
expect(ObjectPool.make({ factory: () => ({ x: 0, y: 0 }), reset: () => Effect.void }))
// @ts-expect-error the factory is required
expect(ObjectPool.make({ maxSize: 1 }))
// @ts-expect-error an object of this pool has an x and a y
pool.unsafeRelease({ x: 1 })
// @ts-expect-error an object without a reset cannot reset itself
expect(ObjectPool.makeResettable(() => ({ x: 0, y: 0 })))
// @ts-expect-error a pool that uses the object's own reset takes no other
expect(ObjectPool.makeResettable(() => undefined as never as Resettable.Resettable, { reset: () => {} }))
// @ts-expect-error a size is required
expect(BufferPool.make({}))
// @ts-expect-error zeroing happens on release or never
expect(BufferPool.make({ bufferSize: 1, zero: "always" }))
// @ts-expect-error the layer of one tag is not that of another
expect<Layer.Layer<Points>>(Pages.layer({ bufferSize: 4096 }))
