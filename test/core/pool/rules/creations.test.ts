import { assert, describe, it } from "vitest"
import type { Item } from "../../../../src/internal/core/pool/item.js"
import { Pool } from "./support.js"

const backoff = { initial: 8, factor: 2, max: 64, jitter: 0 }
const delays = (pool: Pool) => pool.ofTag("Backoff").map(({ delay }) => delay)

/** A pool that had an item. */
const emptied = (options: ConstructorParameters<typeof Pool>[0]) => {
  const pool = new Pool({ backoff, ...options })
  const item = pool.idle()
  pool.machine.clear(pool.now)
  pool.machine.gone(item, pool.now)
  return pool
}

describe("an outage", () => {
  it("is ridden out from its first attempt on, while a borrower waits", () => {
    const pool = emptied({ maxSize: 1, closeTimeout: Infinity, rideOut: () => 248 })
    const waiter = pool.queue()
    pool.fail()
    // 248 ms after the first attempt
    for (const delay of [8, 16, 32, 64, 64, 64]) {
      assert.isUndefined(waiter.refusal)
      assert.strictEqual(pool.wakesIn, delay)
      pool.pass(delay)
      pool.fail()
    }
    assert.deepStrictEqual(waiter.refusal, { _tag: "CreateFailed", failure: "down" })
    assert.deepStrictEqual(delays(pool), [8, 16, 32, 64, 64, 64, 64])
  })

  it("is ridden out anew after no item was wanted for the longest backoff", () => {
    for (const [quiet, isNew] of [[64, true], [63, false]] as const) {
      const pool = emptied({ maxSize: 1, rideOut: () => 100 })
      const first = pool.queue()
      pool.fail()
      pool.machine.abandon(first, pool.now)
      pool.pass(quiet)
      const waiter = pool.queue()
      pool.pass(100 - quiet)
      pool.fail()
      assert.strictEqual(waiter.refusal === undefined, isNew)
    }
  })

  it("is not ridden out by a pool that never had an item", () => {
    const pool = new Pool({ rideOut: () => Infinity })
    const waiter = pool.queue()
    pool.fail()
    assert.deepStrictEqual(waiter.refusal, { _tag: "CreateFailed", failure: "down" })
  })

  it("fails no borrower whom a live item, or another attempt, can still serve", () => {
    const pool = new Pool({ maxSize: 2 })
    const [first, second] = [pool.queue(), pool.queue()]
    const [one, other] = pool.ofTag("Create").map(({ item }) => item)
    pool.fail(one)
    assert.isUndefined(first.refusal)
    pool.create(other)
    assert.strictEqual(first.item, other)
    pool.pass(8)
    pool.fail()
    assert.isUndefined(second.refusal)
  })

  it("permits one attempt at a time, and ends with an attempt that began after the last failure", () => {
    const pool = new Pool({ maxSize: 4, backoff, minSize: 2 })
    const [one, other] = pool.ofTag("Create").map(({ item }) => item)
    pool.fail(one)
    pool.create(other)
    assert.isTrue(pool.machine.failing)
    assert.isEmpty(pool.ofTag("Recovered"))
    for (let i = 0; i < 4; i++) pool.queue()
    pool.pass(8)
    assert.strictEqual(pool.machine.creating, 1)
    pool.create()
    assert.isFalse(pool.machine.failing)
    assert.strictEqual(pool.count("Recovered"), 1)
    assert.strictEqual(pool.machine.creating, 2)
  })

  it("leaves a backend that gets one attempt more with each success, up to createConcurrency", () => {
    const pool = emptied({ maxSize: 20, createConcurrency: 4, rideOut: () => Infinity })
    for (let i = 0; i < 20; i++) pool.queue()
    // those that were under way at the first failure
    for (const { item } of pool.ofTag("Create").slice(1)) pool.fail(item)
    for (const creating of [1, 2, 3, 4, 4, 4]) {
      if (creating === 1) pool.pass(8)
      else pool.create(pool.ofTag("Create").find(({ item }) => item.state === "Creating")!.item)
      assert.strictEqual(pool.machine.creating, creating)
    }
    const trouble = pool.ofTag("Create").filter(({ item }) => item.state === "Creating")
    for (const { item } of trouble) pool.fail(item)
    pool.pass(8)
    assert.strictEqual(pool.machine.creating, 1)
    pool.create()
    assert.strictEqual(pool.machine.creating, 2)
  })

  it("is forgotten when the pool is renewed: the next attempt comes at once, and is ridden out anew", () => {
    const pool = emptied({ maxSize: 1, rideOut: () => 8 })
    const waiter = pool.queue()
    pool.fail()
    const attempts = pool.count("Create")
    pool.late(4)
    pool.machine.renew(pool.now)
    assert.strictEqual(pool.count("Create"), attempts + 1)
    pool.late(4)
    pool.fail()
    assert.isUndefined(waiter.refusal)
  })

  it("does not wake a pool that closes", () => {
    const pool = new Pool({ backoff })
    pool.idle()
    pool.lent()
    pool.queue()
    pool.fail()
    assert.strictEqual(pool.wakesIn, 8)
    pool.machine.close(pool.now)
    pool.pass(8)
    assert.strictEqual(pool.wakesIn, 42)
  })
})

describe("the backoff", () => {
  it("is spread by its jitter, up and down", () => {
    for (const [chance, delay] of [[0, 50], [0.25, 75], [0.5, 100], [0.75, 125]] as const) {
      const pool = new Pool({ backoff: { initial: 100, factor: 2, max: 1_000, jitter: 0.5 } })
      pool.queue()
      pool.fail(pool.attempt, chance)
      assert.deepStrictEqual(delays(pool), [delay])
    }
  })

  it("is one millisecond at least", () => {
    const pool = new Pool({ backoff: { ...backoff, initial: 0 } })
    pool.queue()
    pool.fail()
    assert.deepStrictEqual(delays(pool), [1])
  })
})

describe("an item that dies young and unused", () => {
  const died = (pool: Pool) => {
    const item = pool.create()
    pool.machine.lost(item, pool.now)
    pool.machine.gone(item, pool.now)
  }
  const pauses = (pool: Pool) => pool.ofTag("Paused").map(({ delay }) => delay)

  it("delays the next creation, each in a row by twice as much, and the first is announced", () => {
    const pool = new Pool({ minSize: 1, maxSize: 1, closeTimeout: Infinity, backoff })
    for (const pause of [8, 16, 32, 64, 64]) {
      died(pool)
      assert.strictEqual(pool.machine.creating, 0)
      assert.strictEqual(pool.wakesIn, pause)
      pool.pass(pause - 1)
      assert.strictEqual(pool.machine.creating, 0)
      pool.pass(1)
    }
    assert.deepStrictEqual(pauses(pool), [8])
  })

  it("is younger than the longest backoff", () => {
    for (const [age, count] of [[63, 1], [64, 0]] as const) {
      const pool = new Pool({ backoff })
      const item = pool.idle()
      pool.pass(age)
      pool.machine.lost(item, pool.now)
      assert.strictEqual(pauses(pool).length, count)
    }
  })

  it("is not one that a borrower has used", () => {
    const pool = new Pool({ backoff })
    const item = pool.idle()
    pool.lent()
    pool.machine.served(item)
    pool.machine.lost(item, pool.now)
    assert.isEmpty(pauses(pool))
  })

  it("does not delay the next creation after the pool is renewed", () => {
    const pool = new Pool({ minSize: 1, maxSize: 1, backoff })
    died(pool)
    pool.machine.renew(pool.now)
    assert.strictEqual(pool.machine.creating, 1)
  })

  it("is the first of a row again after a borrower has used another item", () => {
    const uses: Array<(pool: Pool, item: Item<number>) => void> = [
      (pool, item) => pool.release(item, "kept"),
      (pool, item) => pool.release(item, "proven"),
      (pool, item) => {
        pool.machine.served(item)
        pool.release(item, "discarded")
      }
    ]
    for (const use of uses) {
      const pool = new Pool({ minSize: 1, maxSize: 2, backoff })
      died(pool)
      pool.pass(8)
      pool.create()
      use(pool, pool.lent())
      assert.isTrue(pool.machine.creating === 1 || pool.machine.prepare(pool.now))
      died(pool)
      assert.deepStrictEqual(pauses(pool), [8, 8])
    }
  })
})

describe("a pool creates an item ahead", () => {
  it("unless it is full, drains, or can create none any more", () => {
    const full = new Pool({ maxSize: 1 })
    full.idle()
    const drains = new Pool({})
    drains.machine.drain(drains.now)
    const broken = new Pool({})
    broken.machine.breakDown("gone for good", broken.now)
    for (const pool of [full, drains, broken]) assert.isFalse(pool.machine.prepare(pool.now))
  })
})

describe("a pool that can create no item any more", () => {
  it("refuses its waiters at once", () => {
    const pool = new Pool({})
    const waiter = pool.queue()
    pool.machine.breakDown("gone for good", pool.now)
    assert.deepStrictEqual(waiter.refusal, { _tag: "CreateFailed", failure: "gone for good" })
  })

  it("is ready if it has minSize items, and never otherwise", () => {
    const pool = new Pool({ minSize: 1 })
    pool.create()
    pool.machine.breakDown("gone for good", pool.now)
    pool.machine.wantReady(pool.now)
    assert.isUndefined(pool.ofTag("Reached")[0]!.refusal)
    pool.machine.clear(pool.now)
    pool.machine.wantReady(pool.now)
    assert.strictEqual(pool.ofTag("Reached")[1]!.refusal?._tag, "CreateFailed")
  })
})

describe("a pool that is asked whether it is ready", () => {
  it("is ready with minSize items", () => {
    const pool = new Pool({ minSize: 2 })
    pool.machine.wantReady(pool.now)
    const [first, second] = pool.ofTag("Create").map(({ item }) => item)
    pool.create(first)
    assert.isEmpty(pool.ofTag("Reached"))
    pool.create(second)
    assert.isUndefined(pool.ofTag("Reached")[0]!.refusal)
    assert.strictEqual(pool.count("Reached"), 1)
  })

  it("tells of the first failure before that", () => {
    const pool = new Pool({ minSize: 1 })
    pool.machine.wantReady(pool.now)
    pool.fail()
    assert.deepStrictEqual(pool.ofTag("Reached")[0]!.refusal, { _tag: "CreateFailed", failure: "down" })
    pool.pass(8)
    pool.create()
    assert.strictEqual(pool.count("Reached"), 1)
  })

  it("is told that the pool drains or closes, before or after it asked", () => {
    for (const op of ["drain", "close"] as const) {
      const pool = new Pool({ minSize: 1 })
      pool.machine.wantReady(pool.now)
      pool.machine[op](pool.now)
      pool.machine.wantReady(pool.now)
      assert.deepStrictEqual(pool.ofTag("Reached").map(({ refusal }) => refusal?._tag), ["PoolClosed", "PoolClosed"])
    }
  })
})

describe("a pool that drains", () => {
  it("creates nothing for minSize", () => {
    const pool = new Pool({ minSize: 2 })
    for (const { item } of pool.ofTag("Create")) pool.create(item)
    const [first] = [pool.lent(), pool.lent()]
    pool.machine.drain(pool.now)
    pool.machine.lost(first, pool.now)
    pool.pass(100)
    assert.strictEqual(pool.count("Create"), 2)
  })
})
