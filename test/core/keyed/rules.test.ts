/** The rules of the common limits, one by one. */
import { assert, describe, it } from "vitest"
import { CommonLimit, KeyShare } from "../../../src/internal/core/keyed/commonLimit.js"
import { AgingKey, KeyLifetimes } from "../../../src/internal/core/keyed/keyLifetimes.js"
import { type Settings, World } from "./world.js"

const make = (settings: Partial<Settings>) =>
  new World({ keys: 3, maxTotal: 2, createConcurrency: 8, instantly: true, options: {}, ...settings })

/** A borrower of each key gets an item. */
const lendTo = (world: World, ...keys: ReadonlyArray<number>) => {
  for (const key of keys) {
    world.pass(1)
    world.borrow(key)
    while (world.creations.length > 0) world.created(0)
  }
}

const giveBack = (world: World, key: number) => {
  world.pass(1)
  world.giveBack(world.leases.findIndex((lease) => lease.key === key))
  while (world.creations.length > 0) world.created(0)
}

const lentTo = (world: World) => world.leases.map(({ key }) => key)

const waiting = (world: World) => world.queue.map(({ key }) => key)

describe("CommonLimit", () => {
  it("closes the item that has been idle for longest, of whatever key, to make room", () => {
    const world = make({})
    lendTo(world, 0, 1)
    giveBack(world, 1)
    giveBack(world, 0)
    lendTo(world, 2)
    assert.deepStrictEqual(lentTo(world), [2])
    assert.deepStrictEqual(world.live.map(({ key }) => key), [0, 2])
    world.judge()
  })

  it("serves the first waiter of the item's own key while the key holds at most its share", () => {
    const world = make({ maxTotal: 2, keys: 2 })
    lendTo(world, 0, 1)
    lendTo(world, 1, 0, 0)
    assert.deepStrictEqual(waiting(world), [1, 0, 0])
    giveBack(world, 0)
    assert.deepStrictEqual([lentTo(world), waiting(world)], [[1, 0], [1, 0]])
    assert.notInclude(world.log, "0: Destroy")
  })

  it("closes the item of a key above its share for the longest waiting of a key below its share", () => {
    const world = make({ maxTotal: 4, keys: 3, options: { maxSize: 4 } })
    lendTo(world, 0, 0, 0, 0)
    lendTo(world, 0, 2, 1)
    giveBack(world, 0)
    assert.deepStrictEqual([lentTo(world), waiting(world)], [[0, 0, 0, 2], [0, 1]])
    giveBack(world, 0)
    assert.deepStrictEqual([lentTo(world), waiting(world)], [[0, 0, 2, 1], [0]])
    // three keys, four places: the share is one, and no key is below it
    giveBack(world, 0)
    assert.deepStrictEqual([lentTo(world), waiting(world)], [[0, 2, 1, 0], []])
  })

  it("closes no more items than the keys below their share lack, while items are being closed", () => {
    const world = make({ maxTotal: 4, keys: 2, options: { maxSize: 4 }, instantly: false })
    lendTo(world, 0, 0, 0, 0)
    lendTo(world, 0, 0, 1)
    giveBack(world, 0)
    assert.deepStrictEqual([world.closings.length, waiting(world)], [1, [0, 0, 1]])
    giveBack(world, 0)
    assert.deepStrictEqual([world.closings.length, waiting(world)], [1, [0, 1]])
  })

  it("gives a place that comes free to the longest waiting of a key below its share, else to the longest waiting", () => {
    const world = make({ maxTotal: 4, keys: 3, options: { maxSize: 4 } })
    lendTo(world, 0, 0, 1, 1)
    // items that have served a borrower: the pool does not wait after their death
    for (const key of [0, 0, 1, 1]) giveBack(world, key)
    lendTo(world, 0, 0, 1, 1)
    lendTo(world, 0, 1, 2)
    world.lost(0)
    while (world.creations.length > 0) world.created(0)
    assert.deepStrictEqual(waiting(world), [0, 1])
    world.lost(2)
    while (world.creations.length > 0) world.created(0)
    assert.deepStrictEqual(waiting(world), [1])
  })

  it("takes the key whose first borrower has waited longest, after another borrower left", () => {
    const world = make({ maxTotal: 1, keys: 3 })
    lendTo(world, 0)
    lendTo(world, 1, 2, 1)
    assert.deepStrictEqual(waiting(world), [1, 2, 1])
    world.abandon(0)
    giveBack(world, 0)
    assert.deepStrictEqual([lentTo(world), waiting(world)], [[2], [1]])
  })

  it("lets a key without an item have its turn, if there are more keys than places and it waits for longer", () => {
    const world = make({ maxTotal: 1, keys: 2 })
    lendTo(world, 0)
    lendTo(world, 0, 1, 0)
    giveBack(world, 0)
    assert.deepStrictEqual([lentTo(world), waiting(world)], [[0], [1, 0]])
    giveBack(world, 0)
    assert.deepStrictEqual([lentTo(world), waiting(world)], [[1], [0]])
  })

  it("creates at most createConcurrency items of all keys at a time, in the order of the borrowers", () => {
    const world = make({ maxTotal: Infinity, createConcurrency: 1 })
    for (const key of [1, 0, 2]) world.borrow(key)
    assert.deepStrictEqual(world.creations.map(({ key }) => key), [1])
    world.unmade(0)
    assert.deepStrictEqual(world.creations.map(({ key }) => key), [0])
    world.created(0)
    assert.deepStrictEqual(world.creations.map(({ key }) => key), [2])
  })

  it("uses free places for minSize and minIdle, when no borrower waits for one, and closes nothing for them", () => {
    const world = make({ maxTotal: 2, keys: 2, options: { minSize: 2 } })
    assert.deepStrictEqual(world.creations.map(({ key }) => key), [0, 0])
    world.created(0)
    world.created(0)
    assert.deepStrictEqual(world.live.map(({ key }) => key), [0, 0])
    lendTo(world, 1)
    assert.deepStrictEqual(world.live.map(({ key }) => key), [0, 1])
    giveBack(world, 1)
    assert.deepStrictEqual(world.live.map(({ key }) => key), [0, 1])
    world.lost(0)
    while (world.creations.length > 0) world.created(0)
    assert.deepStrictEqual(world.live.map(({ key }) => key), [1, 1])
  })

  it("closes an item that was renewed while idle before any other", () => {
    const world = make({ maxTotal: 2, keys: 3, options: { minSize: 1 }, instantly: false })
    while (world.creations.length > 0) world.created(0)
    assert.deepStrictEqual(world.live.map(({ key }) => key), [0, 1])
    world.renew(1)
    // the retired item stays until its replacement is live, or a borrower needs the place
    assert.deepStrictEqual(world.live.map(({ item, key }) => [key, item.state]), [[0, "Idle"], [1, "Leaving"]])
    world.borrow(2)
    assert.deepStrictEqual(world.closings.map(({ key }) => key), [1])
  })
})

describe("CommonLimit alone", () => {
  /** A place of the key that an item has. */
  const hold = (limit: CommonLimit<number>, share: KeyShare<number>) => {
    const place = share.makePermit()
    share.waits(share.arrive())
    limit.ask(place, "borrower")
    assert.deepStrictEqual(limit.next(), { _tag: "Grant", place })
    limit.creationOver(place)
    return place
  }

  it("counts the most items that were lent at a time", () => {
    const limit = new CommonLimit<number>(Infinity, 8)
    assert.strictEqual(limit.peak, 0)
    for (const change of [1, 1, -1, -1, 1] as const) limit.lent(change)
    assert.deepStrictEqual([limit.inUse, limit.peak], [1, 2])
    for (const change of [1, 1] as const) limit.lent(change)
    assert.deepStrictEqual([limit.inUse, limit.peak], [3, 3])
  })

  it("gives a place to a key that asks, though an older borrower of another key is about to", () => {
    const limit = new CommonLimit<number>(2, 8)
    const [a, b] = [new KeyShare(limit, 0), new KeyShare(limit, 1)]
    const place = b.makePermit()
    // the pool of the first key names its waiter, and asks afterwards
    const arrival = a.arrive()
    b.waits(b.arrive())
    limit.ask(place, "borrower")
    a.waits(arrival)
    assert.deepStrictEqual(limit.next(), { _tag: "Grant", place })
    assert.strictEqual(limit.next(), undefined)
  })

  it("withdraws, returns and ends a place only once", () => {
    const limit = new CommonLimit<number>(2, 8)
    const share = new KeyShare(limit, 0)
    const place = hold(limit, share)
    assert.deepStrictEqual([limit.total, limit.creating, limit.keys], [1, 0, 1])
    limit.creationOver(place)
    limit.giveBack(place)
    limit.giveBack(place)
    limit.withdraw(place)
    assert.deepStrictEqual([limit.total, limit.creating, limit.keys], [0, 0, 0])
  })
})

class Key extends AgingKey {
  unusedSince: number | undefined
  watched = false

  constructor(now: number) {
    super()
    this.unusedSince = now
  }

  watch(): void {
    this.watched = true
  }
}

describe("KeyLifetimes", () => {
  it("finds the keys that were unused for keyTimeToLive, however late it looks at their borrows", () => {
    const lifetimes = new KeyLifetimes<Key>(60, Infinity)
    const [a, b] = [new Key(0), new Key(10)]
    lifetimes.add(a, 0)
    lifetimes.add(b, 10)
    a.unusedSince = 30
    assert.strictEqual(lifetimes.expired(59), undefined)
    assert.strictEqual(lifetimes.expired(60), undefined)
    assert.strictEqual(lifetimes.nextDue, 70)
    assert.strictEqual(lifetimes.expired(70), b)
    lifetimes.remove(b)
    assert.strictEqual(lifetimes.nextDue, 90)
    assert.strictEqual(lifetimes.expired(90), a)
  })

  it("keeps no key in its order that is in use", () => {
    const lifetimes = new KeyLifetimes<Key>(60, 2)
    const [a, b] = [new Key(0), new Key(0)]
    lifetimes.add(a, 0)
    lifetimes.add(b, 0)
    a.unusedSince = undefined
    b.unusedSince = undefined
    assert.isFalse(lifetimes.hasRoom)
    assert.strictEqual(lifetimes.longestUnused(), undefined)
    assert.deepStrictEqual([a.watched, b.watched, lifetimes.nextDue], [true, true, Infinity])
    a.unusedSince = 5
    lifetimes.unused(a, 5)
    assert.strictEqual(lifetimes.nextDue, 65)
    assert.strictEqual(lifetimes.longestUnused(), a)
    assert.strictEqual(lifetimes.nextDue, 65)
  })

  it("looks at no key before its time", () => {
    const lifetimes = new KeyLifetimes<Key>(60, Infinity)
    const a = new Key(0)
    lifetimes.add(a, 0)
    a.unusedSince = undefined
    assert.strictEqual(lifetimes.expired(59), undefined)
    assert.isFalse(a.watched)
    assert.strictEqual(lifetimes.expired(60), undefined)
    assert.isTrue(a.watched)
  })

  it("has room for maxKeys keys, and again after one has gone", () => {
    const lifetimes = new KeyLifetimes<Key>(Infinity, 2)
    const [a, b] = [new Key(0), new Key(5)]
    lifetimes.add(a, 0)
    assert.isTrue(lifetimes.hasRoom)
    lifetimes.add(b, 5)
    assert.isFalse(lifetimes.hasRoom)
    // without a time to live, the longest unused key goes for another
    assert.deepStrictEqual([lifetimes.nextDue, lifetimes.longestUnused()], [Infinity, a])
    lifetimes.remove(a)
    assert.deepStrictEqual([lifetimes.hasRoom, lifetimes.size], [true, 1])
  })

  it("keeps no order without a limit", () => {
    const lifetimes = new KeyLifetimes<Key>(Infinity, Infinity)
    const a = new Key(0)
    lifetimes.add(a, 0)
    lifetimes.unused(a, 5)
    assert.deepStrictEqual([lifetimes.hasRoom, lifetimes.longestUnused()], [true, undefined])
    lifetimes.remove(a)
    assert.strictEqual(lifetimes.size, 0)
  })
})
