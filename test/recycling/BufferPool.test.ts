import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Layer from "#test/Layer"
import * as TestClock from "#test/TestClock"
import * as BufferPool from "effect-pools/BufferPool"
import * as Deferred from "effect/Deferred"
import { failureOf } from "../support/pool.js"
import { assert, describe, it } from "../support/vitest.js"

const make = (options: Partial<BufferPool.Options> = {}) => BufferPool.make({ bufferSize: 64, ...options })

/** The bytes that the next borrower sees. */
const peek = (pool: BufferPool.Service): Uint8Array => {
  const bytes = pool.unsafeAcquire()
  const copy = bytes.slice()
  pool.unsafeRelease(bytes, 0)
  return copy
}

const isZero = (bytes: Uint8Array) => bytes.every((byte) => byte === 0)

/** As a BYOB read does. */
const transfer = (bytes: Uint8Array<ArrayBuffer>): ArrayBuffer =>
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })

describe("BufferPool", () => {
  it.scoped("lends buffers of its size, each with memory of its own, again and again", () =>
    Effect.gen(function*() {
      const pool = yield* make()
      const [a, b] = [pool.unsafeAcquire(), pool.unsafeAcquire()]
      assert.strictEqual(pool.bufferSize, 64)
      for (const bytes of [a, b]) assert.deepStrictEqual([bytes.length, bytes.buffer.byteLength], [64, 64])
      assert.notStrictEqual(a.buffer, b.buffer)
      pool.unsafeRelease(b)
      assert.strictEqual(pool.unsafeAcquire(), b)
      assert.deepInclude(yield* pool.stats, { created: 2, reused: 1, inUse: 2 })
    }))

  it.scoped("takes back a buffer itself, not its memory, and zeroes all of it unless told how much by a number", () =>
    Effect.gen(function*() {
      const pool = yield* make()
      const bytes = pool.unsafeAcquire().fill(7)
      assert.isFalse(pool.unsafeRelease(bytes.buffer as never))
      assert.isTrue(pool.unsafeRelease(bytes, "" as never))
      assert.isTrue(isZero(peek(pool)))
      assert.strictEqual((yield* pool.stats).refused.foreign, 1)
    }))

  it.scoped("lends by effect, by function, by scope and by lease: the whole or a view", () =>
    Effect.gen(function*() {
      const pool = yield* make()
      assert.strictEqual(
        yield* pool.use((bytes) => Effect.andThen(Effect.yieldNow(), Effect.succeed(bytes.length))),
        64
      )
      assert.strictEqual(yield* pool.use((bytes) => Effect.succeed(bytes.length), { length: 10 }), 10)
      assert.strictEqual(yield* pool.useSync((bytes) => bytes.length), 64)
      assert.strictEqual(yield* pool.useSync((bytes) => bytes.length, { length: 0 }), 0)
      assert.strictEqual(yield* Effect.scoped(Effect.map(pool.get, (bytes) => bytes.length)), 64)
      const plain = () => {
        using lease = pool.lease({ length: 5 })
        return [lease.length, lease.view().length, lease.view(7).length, lease.buffer.length]
      }
      assert.deepStrictEqual(plain(), [5, 5, 7, 64])
      assert.deepInclude(yield* pool.stats, { created: 1, acquisitions: 6, returned: 6, inUse: 0 })
    }))

  it.scoped("takes a buffer back when the borrower fails or gives it back itself", () =>
    Effect.gen(function*() {
      const pool = yield* make()
      yield* Effect.exit(pool.use(() => Effect.fail("no")))
      yield* Effect.exit(pool.use(() => Effect.andThen(Effect.yieldNow(), Effect.die("no"))))
      yield* Effect.exit(pool.useSync(() => {
        throw new Error("no")
      }))
      assert.isTrue(yield* pool.use((_, lease) => Effect.sync(() => lease.release())))
      assert.isTrue(yield* pool.useSync((_, lease) => lease.release()))
      assert.deepInclude(yield* pool.stats, { created: 1, size: 1, inUse: 0, returned: 5 })
      assert.strictEqual((yield* pool.stats).refused.stale, 0)
    }))

  describe("zeroing", () => {
    it.scoped("leaves nothing of what a borrower could write", () =>
      Effect.gen(function*() {
        const pool = yield* make()
        const fill = (bytes: Uint8Array) => bytes.fill(7)
        const borrows: ReadonlyArray<Effect.Effect<unknown>> = [
          pool.use((bytes) => Effect.sync(() => fill(bytes))),
          pool.use((bytes) => Effect.sync(() => fill(bytes)), { length: 20 }),
          pool.use((bytes, lease) => Effect.sync(() => [fill(bytes), fill(lease.view(30))]), { length: 20 }),
          pool.use((_, lease) => Effect.sync(() => fill(lease.buffer)), { length: 1 }),
          Effect.exit(pool.use((bytes) => Effect.suspend(() => Effect.fail(fill(bytes))))),
          pool.useSync(fill, { length: 63 }),
          Effect.scoped(Effect.map(pool.get, fill)),
          Effect.sync(() => {
            using lease = pool.lease()
            fill(lease.view(10))
            fill(lease.view(40))
            fill(lease.view(20))
          }),
          Effect.sync(() => {
            const bytes = pool.unsafeAcquire()
            fill(bytes.subarray(0, 3))
            pool.unsafeRelease(bytes, 3)
          })
        ]
        for (const [index, borrow] of borrows.entries()) {
          yield* borrow
          assert.isTrue(isZero(peek(pool)), `borrow ${index}`)
        }
        assert.strictEqual((yield* pool.stats).created, 1)
      }))

    it.scoped("touches no more than was shown", () =>
      Effect.gen(function*() {
        const pool = yield* make()
        const bytes = pool.unsafeAcquire().fill(7)
        pool.unsafeRelease(bytes, 0)
        yield* pool.useSync((view) => view.fill(9), { length: 10 })
        // bytes outside of the view are unchanged
        assert.deepStrictEqual([...peek(pool).subarray(8, 12)], [0, 0, 7, 7])
        pool.lease().release()
        assert.strictEqual(peek(pool)[10], 7)
      }))

    it.scoped("zeroes all where what was written is no count of bytes", () =>
      Effect.gen(function*() {
        const pool = yield* make()
        for (const written of [undefined, -1, NaN, 1000, Infinity]) {
          const bytes = pool.unsafeAcquire().fill(7)
          assert.isTrue(pool.unsafeRelease(bytes, written))
          assert.isTrue(isZero(peek(pool)), String(written))
        }
        const bytes = pool.unsafeAcquire()
        bytes.fill(7, 0, 4)
        pool.unsafeRelease(bytes, 3.5)
        assert.isTrue(isZero(peek(pool)))
      }))

    it.scoped("leaves everything where told never to zero", () =>
      Effect.gen(function*() {
        const pool = yield* make({ zero: "never" })
        yield* pool.useSync((bytes) => bytes.fill(7))
        assert.isTrue(peek(pool).every((byte) => byte === 7))
      }))
  })

  describe("memory that went away", () => {
    it.scoped("drops a buffer whose memory was transferred, when it comes back", () =>
      Effect.gen(function*() {
        const pool = yield* make()
        yield* pool.use((bytes) => Effect.sync(() => transfer(bytes)))
        yield* pool.useSync((bytes) => transfer(bytes))
        const bytes = pool.unsafeAcquire()
        transfer(bytes)
        assert.isTrue(pool.unsafeRelease(bytes))
        const stats = yield* pool.stats
        assert.strictEqual(stats.discarded.unfit, 3)
        assert.deepInclude(stats, { size: 0, inUse: 0, created: 3 })
      }))

    it.scoped("drops one that was transferred while idle, when it is to be lent", () =>
      Effect.gen(function*() {
        const pool = yield* make()
        const bytes = pool.unsafeAcquire()
        pool.unsafeRelease(bytes)
        transfer(bytes)
        assert.strictEqual(pool.unsafeAcquire().length, 64)
        assert.strictEqual((yield* pool.stats).discarded.unfit, 1)
      }))

    it.scoped("takes in the memory that came back", () =>
      Effect.gen(function*() {
        const pool = yield* make()
        const lease = pool.lease({ length: 8 })
        const old = lease.view()
        const memory = transfer(old)
        assert.throws(() => lease.view(), "`replace` it first")
        assert.throws(() => lease.buffer, "`replace` it first")
        new Uint8Array(memory).fill(7)
        const bytes = lease.replace(new DataView(memory, 3, 2))
        assert.deepStrictEqual([bytes.buffer, bytes.length], [memory, 64])
        assert.strictEqual(lease.view(4).buffer, memory)
        assert.isTrue(lease.release())
        assert.isTrue(isZero(peek(pool)))
        assert.strictEqual(pool.unsafeAcquire(), bytes)
        // a transferred buffer belongs to no pool
        assert.isFalse(pool.unsafeRelease(old))
        assert.deepInclude(yield* pool.stats, { created: 1, inUse: 1, size: 0 })
        assert.isTrue(pool.unsafeRelease(bytes))
      }))

    it.scoped("bears a real BYOB read", () =>
      Effect.gen(function*() {
        const pool = yield* make()
        const stream = new ReadableStream({
          type: "bytes",
          pull: (controller) => {
            const { byobRequest } = controller as ReadableByteStreamController
            new Uint8Array(byobRequest!.view!.buffer, byobRequest!.view!.byteOffset, 3).set([1, 2, 3])
            byobRequest!.respond(3)
          }
        })
        const reader = stream.getReader({ mode: "byob" })
        for (let i = 0; i < 5; i++) {
          const read = yield* pool.use((bytes, lease) =>
            Effect.promise(async () => {
              const { value } = await reader.read(bytes)
              const sum = value!.reduce((sum, byte) => sum + byte, 0)
              lease.replace(value!)
              return sum
            })
          )
          assert.strictEqual(read, 6)
          assert.isTrue(isZero(peek(pool)))
        }
        assert.deepInclude(yield* pool.stats, { created: 1, size: 1 })
        yield* Effect.promise(() => reader.cancel())
      }))

    it.scoped("refuses memory that is shared, resizable, of another size, or pooled already", () =>
      Effect.gen(function*() {
        const pool = yield* make()
        const other = pool.lease()
        const lease = pool.lease()
        // only the types of the newest engines have this
        const resizable = new (ArrayBuffer as any)(64, { maxByteLength: 128 }) as ArrayBuffer
        const refusals: ReadonlyArray<readonly [ArrayBufferView, string]> = [
          [new Uint8Array(new SharedArrayBuffer(64)), "shared memory"],
          [new Uint8Array(resizable), "resizable"],
          [new Uint8Array(63), "must have 64 bytes, but has 63"],
          [other.view(1), "belongs to a pool already"],
          [peek(pool).subarray(0, 0), ""]
        ]
        for (const [view, message] of refusals.slice(0, 4)) assert.throws(() => lease.replace(view), message)
        assert.strictEqual((yield* pool.stats).refused.foreign, 4)
        // a view of the lease's own memory replaces nothing
        const own = lease.buffer
        assert.strictEqual(lease.replace(own.subarray(2, 3)), own)
        assert.isTrue(lease.release())
        assert.throws(() => lease.replace(new Uint8Array(64)), "has been released")
      }))
  })

  it.scoped("refuses a view, a foreign buffer and a second release", () =>
    Effect.gen(function*() {
      const pool = yield* make()
      const other = yield* make()
      const bytes = pool.unsafeAcquire()
      assert.isFalse(pool.unsafeRelease(bytes.subarray(0, 10)))
      assert.isFalse(pool.unsafeRelease(new Uint8Array(64)))
      assert.isFalse(other.unsafeRelease(bytes))
      assert.isTrue(pool.unsafeRelease(bytes))
      assert.isFalse(pool.unsafeRelease(bytes))
      assert.deepInclude((yield* pool.stats).refused, { foreign: 2, notOut: 1 })
    }))

  it.scoped("refuses a lease that was released", () =>
    Effect.gen(function*() {
      const pool = yield* make()
      const lease = pool.lease()
      assert.isFalse(pool.unsafeRelease(lease.buffer))
      assert.isTrue(lease.release())
      const next = pool.lease()
      assert.isFalse(lease.release())
      assert.throws(() => lease.view(), "has been released")
      assert.throws(() => lease.buffer, "has been released")
      assert.deepInclude((yield* pool.stats).refused, { stale: 3, notOut: 1 })
      assert.strictEqual((yield* pool.stats).inUse, 1)
      next[Symbol.dispose]()
      assert.deepStrictEqual(JSON.parse(JSON.stringify(next)), {
        _id: "Lease",
        pool: "BufferPool",
        length: 64,
        released: true
      })
    }))

  describe("a lease that is discarded", () => {
    it.scoped("takes its buffer from the pool for good, so that a late write reaches no other borrower", () =>
      Effect.gen(function*() {
        const pool = yield* make()
        const begun = yield* Deferred.make<void>()
        let late: Uint8Array = new Uint8Array()
        const borrower = yield* Effect.fork(pool.use((bytes, lease) =>
          Effect.async<never>(() => {
            // nothing can take back the memory of these bytes
            late = bytes
            Effect.runSync(Deferred.succeed(begun, undefined))
          }).pipe(Effect.onInterrupt(() => Effect.sync(() => lease.discard())))
        ))
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(borrower)
        late.fill(7)
        const next = pool.lease()
        assert.notStrictEqual(next.view().buffer, late.buffer)
        assert.isTrue(isZero(next.view()))
        const stats = yield* pool.stats
        assert.deepStrictEqual(stats.discarded, { full: 0, unfit: 0, failed: 0, invalidated: 1, idle: 0, closed: 0 })
        assert.deepInclude(stats, { created: 2, inUse: 1, returned: 1 })
        assert.strictEqual(stats.refused.stale, 0)
      }))

    it.scoped("ends once, and its views are no longer lent", () =>
      Effect.gen(function*() {
        const pool = yield* make()
        const lease = pool.lease()
        const { buffer } = lease
        assert.isTrue(lease.discard())
        assert.isFalse(lease.discard())
        assert.isFalse(lease.release())
        lease[Symbol.dispose]()
        assert.throws(() => lease.view(), "has been released or discarded")
        assert.throws(() => lease.replace(new Uint8Array(64)), "has been released or discarded")
        assert.isFalse(pool.unsafeRelease(buffer))
        assert.isTrue(yield* pool.useSync((_, lease) => lease.discard()))
        const released = pool.lease()
        released.release()
        assert.isFalse(released.discard())
        const stats = yield* pool.stats
        assert.deepInclude(stats.refused, { stale: 5, notOut: 1 })
        assert.deepInclude(stats, { created: 3, inUse: 0, size: 1 })
      }))

    it.scoped("discards a buffer whose memory was transferred away", () =>
      Effect.gen(function*() {
        const pool = yield* make()
        const lease = pool.lease()
        transfer(lease.buffer)
        assert.isTrue(lease.discard())
        assert.deepInclude((yield* pool.stats).discarded, { invalidated: 1, unfit: 0 })
      }))
  })

  it.scoped("keeps minBuffers warm, drops the surplus at its age, and nothing beyond maxBuffers", () =>
    Effect.gen(function*() {
      const pool = yield* make({ minBuffers: 1, maxBuffers: 2, idleTimeToLive: "1 minute" })
      assert.deepInclude(yield* pool.stats, { size: 1, acquisitions: 0 })
      const lent = [1, 2, 3].map(() => pool.unsafeAcquire())
      for (const bytes of lent) pool.unsafeRelease(bytes)
      assert.strictEqual(yield* pool.size, 2)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* pool.size, 1)
      assert.strictEqual(yield* pool.prune(0), 0)
      assert.strictEqual(yield* pool.clear, 1)
      assert.strictEqual(yield* pool.size, 1)
      assert.deepInclude((yield* pool.stats).discarded, { full: 1, idle: 2 })
    }))

  it.scoped("refuses a length that is none", () =>
    Effect.gen(function*() {
      const pool = yield* make()
      for (const length of [65, -1, 1.5, NaN]) {
        const exit = yield* Effect.exit(pool.use(() => Effect.void, { length }))
        assert.include(failureOf(exit), `length must be a whole number of bytes from 0 to 64, but was ${length}`)
      }
      const lease = pool.lease()
      assert.throws(() => lease.view(65), RangeError)
      lease.release()
      assert.deepInclude(yield* pool.stats, { inUse: 0, acquisitions: 1 })
    }))

  it.effect("refuses options that make no sense", () =>
    Effect.gen(function*() {
      const refused = (options: Partial<BufferPool.Options>, message: string) =>
        Effect.gen(function*() {
          const exit = yield* Effect.exit(Effect.scoped(make(options)))
          assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
          assert.include(failureOf(exit), message)
        })
      yield* refused({ bufferSize: 0 }, "bufferSize must be a whole number of bytes from 1 to 4294967295, but was 0")
      yield* refused({ bufferSize: 1.5 }, "bufferSize must be")
      yield* refused({ minBuffers: 65 }, "minBuffers must be at most maxBuffers (64), but was 65")
      yield* refused({ maxBuffers: NaN }, "maxBuffers must be a whole number of 0 or more, but was NaN")
      yield* refused({ zero: "always" as never }, `zero must be "onRelease" or "never", but was "always"`)
      yield* refused({ idleTimeToLive: -1 }, "idleTimeToLive must be a duration")
    }))

  class Pages extends BufferPool.Tag("test/Pages")<Pages>() {}

  it.effect("has one tag by default, and as many as one declares", () =>
    Effect.gen(function*() {
      const pages = yield* Pages
      const buffers = yield* BufferPool.BufferPool
      assert.deepStrictEqual([pages.name, pages.bufferSize], ["test/Pages", 4096])
      assert.deepStrictEqual([buffers.name, buffers.bufferSize], ["BufferPool", 10])
      assert.include(JSON.stringify(buffers), `"bufferSize":10`)
    }).pipe(Effect.provide(Layer.merge(Pages.layer({ bufferSize: 4096 }), BufferPool.layer({ bufferSize: 10 })))))
})
