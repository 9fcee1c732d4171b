/** Single rules of a list of idle items, of its ageing, and of the slots by which items are found. */
import { assert, describe, it } from "vitest"
import { Ageing } from "../../../src/internal/core/recycling/ageing.js"
import { FreeList, type ListOptions } from "../../../src/internal/core/recycling/freeList.js"
import { heldByNobody, heldByPool, isPooled, slotOf } from "../../../src/internal/core/recycling/slot.js"

/** Time that the test moves. */
class Time {
  now = 0
  /** How often the clock was read. */
  reads = 0
  readonly delays: Array<number> = []
  readonly ageing: Ageing
  private readonly waiting: Array<() => void> = []

  constructor(timeToLive = Infinity) {
    this.ageing = new Ageing({
      clock: () => {
        this.reads++
        return this.now
      },
      later: (run) => this.waiting.push(run),
      timeToLive,
      wakeIn: (delay) => this.delays.push(delay)
    })
  }

  /** The turn of the event loop ends, and time passes. */
  pass(millis: number): void {
    for (const run of this.waiting.splice(0)) run()
    this.now += millis
  }
}

interface Thing {
  readonly id: number
}

const listOf = (
  { time = new Time(), ...options }: Partial<ListOptions<any>> & { readonly time?: Time } = {}
): FreeList<any> => {
  let made = 0
  const factory = (): Thing => ({ id: ++made })
  return new FreeList({ factory, minSize: 0, maxSize: 8, weight: 1, ageing: time.ageing, ...options })
}

const holder = { holder: "a borrower" }

/** Keeps so many idle items. */
const keep = (list: FreeList<any>, count: number): void => {
  const slots = Array.from({ length: count }, () => list.lend(holder))
  for (const slot of slots) list.takeBack(slot)
}

describe("a recycling list", () => {
  it("names what its factory returned, if that is no object", () => {
    for (
      const [value, name] of [[null, "null"], [undefined, "undefined"], ["text", "string"], [1, "number"]] as const
    ) {
      const list = listOf({ factory: () => value })
      assert.throws(() => list.lend(holder), `factory must return an object, but returned ${name}`)
      assert.deepInclude(list, { failures: 1, created: 0, misses: 0, out: 0 })
    }
  })

  it("takes no object that is in a pool, until its pool has dropped it", () => {
    const thing = { id: 0 }
    const factory = () => thing
    const [first, second] = [listOf({ factory, maxSize: 1 }), listOf({ factory })]
    const slot = first.lend(holder)
    const already = "factory returned an object that is in a pool already"
    assert.throws(() => second.lend(holder), already)
    first.takeBack(slot)
    assert.throws(() => second.lend(holder), already)
    assert.strictEqual(second.failures, 2)
    first.clear()
    const adopted = second.lend(holder)
    assert.strictEqual(slotOf(thing), adopted)
    assert.strictEqual(slot.holder, heldByNobody)
    assert.strictEqual(adopted.owner, second)
  })

  it("takes frozen objects and functions, and finds them again", () => {
    for (const value of [Object.freeze({}), Object.freeze([]), () => undefined, Object.freeze(() => undefined)]) {
      const list = listOf({ factory: () => value })
      assert.isFalse(isPooled(value))
      const slot = list.lend(holder)
      assert.strictEqual(slotOf(value), slot)
      assert.isTrue(isPooled(value))
      list.takeBack(slot)
      assert.strictEqual(slot.holder, heldByPool)
      assert.throws(() => listOf({ factory: () => value }).lend(holder), "in a pool already")
    }
  })

  it("takes an object that was frozen since its last pool dropped it", () => {
    const thing = { id: 0 }
    const first = listOf({ factory: () => thing })
    first.invalidate(first.lend(holder))
    Object.freeze(thing)
    const list = listOf({ factory: () => thing })
    const slot = list.lend(holder)
    assert.strictEqual(slotOf(thing), slot)
  })

  it("knows no slot of a value that never was in a pool", () => {
    for (const value of [null, undefined, 1, "text", {}, () => undefined]) assert.isUndefined(slotOf(value))
  })

  it("takes no part of its items for an item", () => {
    const whole = { part: {} }
    const list = listOf({ factory: () => whole, part: ({ part }) => part })
    const slot = list.lend(holder)
    assert.strictEqual(slotOf(whole.part), slot)
    assert.throws(() => listOf({ factory: () => whole.part }).lend(holder), "in a pool already")
  })

  it("counts a value that cannot be looked at as a failure of the factory", () => {
    const list = listOf({
      factory: () => ({}),
      part: () => {
        throw new Error("no")
      }
    })
    assert.throws(() => list.lend(holder), "no")
    assert.deepInclude(list, { failures: 1, created: 0, misses: 0, out: 0 })
  })

  it("counts how many items are lent, at most how many were, and where they came from", () => {
    const list = listOf()
    keep(list, 2)
    keep(list, 1)
    assert.deepInclude(list, { out: 0, peak: 2, created: 2, misses: 2, reused: 1, failures: 0 })
    const slots = [1, 2, 3].map(() => list.lend(holder))
    assert.deepInclude(list, { out: 3, peak: 3, created: 3, misses: 3, reused: 3, size: 0 })
    assert.isTrue(slots.every((slot) => slot.holder === holder))
  })

  it("creates in advance only what is missing, which is neither lent nor a miss", () => {
    const list = listOf({ minSize: 3 })
    keep(list, 1)
    list.fill()
    assert.deepInclude(list, { size: 3, created: 3, misses: 1, out: 0 })
    list.fill()
    assert.strictEqual(list.created, 3)
  })

  it("drops what it has no room for", () => {
    const list = listOf({ maxSize: 2 })
    keep(list, 3)
    assert.strictEqual(list.size, 2)
    assert.strictEqual(list.discarded.full, 1)
    const none = listOf({ minSize: 1, budget: { kept: 0, max: 0 } })
    none.fill()
    assert.strictEqual(none.size, 0)
    assert.strictEqual(none.discarded.full, 1)
  })

  it("keeps as many bytes as the budget of several lists allows", () => {
    const time = new Time()
    const budget = { kept: 0, max: 5 }
    const [small, large] = [listOf({ time, budget, weight: 2 }), listOf({ time, budget, weight: 3 })]
    keep(small, 2)
    keep(large, 1)
    assert.deepStrictEqual([small.size, large.size, budget.kept], [2, 0, 4])
    small.lend(holder)
    assert.strictEqual(budget.kept, 2)
    keep(large, 1)
    assert.deepStrictEqual([small.size, large.size, budget.kept], [1, 1, 5])
    small.clear()
    assert.strictEqual(budget.kept, 3)
  })

  it("lends another value in the place of an item, whose first value may go elsewhere", () => {
    const list = listOf({ part: ({ id }) => id, factory: () => ({ id: {} }) })
    const slot = list.lend(holder)
    const value = { id: {} }
    const other = list.replace(slot, value)
    assert.deepInclude(other, { value, holder, owner: list })
    assert.strictEqual(slotOf(value), other)
    assert.strictEqual(slotOf(value.id), other)
    assert.isFalse(isPooled(slot.value))
    assert.deepInclude(list, { out: 1, created: 1 })
  })

  it("clears all that is idle, says how much that was, and creates minSize anew", () => {
    const list = listOf({ minSize: 1 })
    keep(list, 3)
    assert.strictEqual(list.clear(), 3)
    assert.deepInclude(list, { size: 1, created: 4 })
    assert.strictEqual(list.discarded.idle, 3)
  })

  it("keeps nothing once it is closed", () => {
    const list = listOf({ minSize: 1 })
    keep(list, 2)
    const slot = list.lend(holder)
    list.close()
    list.fill()
    list.takeBack(slot)
    assert.deepInclude(list, { size: 0, minSize: 0, maxSize: 0, out: 0, created: 2 })
    assert.deepInclude(list.discarded, { closed: 2, full: 0, idle: 0 })
  })

  it("prunes those that have idled for so long, oldest first, down to minSize", () => {
    const time = new Time()
    const list = listOf({ time, minSize: 1 })
    const slots = [1, 2, 3].map(() => list.lend(holder))
    for (const slot of slots) {
      list.takeBack(slot)
      time.pass(10)
    }
    assert.strictEqual(list.prune(31), 0)
    assert.strictEqual(list.prune(21), 1)
    assert.strictEqual(slots[0]!.holder, heldByNobody)
    assert.strictEqual(list.prune(20), 1)
    assert.strictEqual(slots[1]!.holder, heldByNobody)
    assert.strictEqual(list.prune(0), 0)
    assert.strictEqual(list.size, 1)
    assert.strictEqual(list.discarded.idle, 2)
  })
})

describe("the ageing of idle items", () => {
  it("reads the clock once for all items that come back in one turn of the event loop", () => {
    const time = new Time()
    const list = listOf({ time })
    keep(list, 3)
    assert.strictEqual(time.reads, 1)
    time.pass(5)
    keep(list, 3)
    assert.strictEqual(time.reads, 2)
  })

  it("asks to be woken when the item that is idle longest is due", () => {
    const time = new Time(100)
    const list = listOf({ time })
    const slots = [1, 2].map(() => list.lend(holder))
    list.takeBack(slots[0]!)
    assert.deepStrictEqual(time.delays, [100])
    time.pass(30)
    list.takeBack(slots[1]!)
    // one at a time
    assert.deepStrictEqual(time.delays, [100])
    time.pass(70)
    time.ageing.tick()
    assert.strictEqual(list.size, 1)
    assert.deepStrictEqual(time.delays, [100, 30])
    time.pass(30)
    time.ageing.tick()
    assert.strictEqual(list.size, 0)
    assert.deepStrictEqual(time.delays, [100, 30])
    keep(list, 1)
    assert.deepStrictEqual(time.delays, [100, 30, 100])
  })

  it("asks for the rest of a time when an item comes back late in a turn", () => {
    const time = new Time(100)
    const list = listOf({ time })
    time.ageing.refresh()
    time.now += 40
    keep(list, 1)
    assert.deepStrictEqual(time.delays, [60])
  })

  it("does not ask for what is already over, nor for less than a clock can tell", () => {
    const time = new Time(100)
    const list = listOf({ time })
    time.ageing.refresh()
    time.now += 140
    keep(list, 1)
    assert.deepStrictEqual(time.delays, [0])
    time.now = 99.5
    const other = new Time(100)
    keep(listOf({ time: other }), 1)
    other.pass(99.5)
    other.ageing.tick()
    assert.deepStrictEqual(other.delays, [100, 1])
  })

  it("takes the earliest time of several lists", () => {
    const time = new Time(100)
    const [first, second] = [listOf({ time }), listOf({ time })]
    const [a, b] = [first.lend(holder), second.lend(holder)]
    second.takeBack(b)
    time.pass(20)
    first.takeBack(a)
    time.pass(20)
    time.ageing.tick()
    assert.deepStrictEqual(time.delays, [100, 60])
  })

  it("does not wake for items that stay, nor where nothing ages, nor once stopped", () => {
    const warm = new Time(100)
    const list = listOf({ time: warm, minSize: 1 })
    keep(list, 1)
    assert.deepStrictEqual(warm.delays, [])
    keep(list, 2)
    assert.deepStrictEqual(warm.delays, [100])
    const ageless = new Time()
    keep(listOf({ time: ageless }), 1)
    assert.deepStrictEqual(ageless.delays, [])
    const stopped = new Time(100)
    stopped.ageing.stop()
    keep(listOf({ time: stopped }), 1)
    assert.deepStrictEqual(stopped.delays, [])
  })

  it("bears a clock that is set back", () => {
    const time = new Time(100)
    time.now = 1_000
    const list = listOf({ time })
    const slots = [1, 2].map(() => list.lend(holder))
    list.takeBack(slots[0]!)
    time.pass(-500)
    list.takeBack(slots[1]!)
    assert.strictEqual(slots[1]!.idleSince, 1_000)
    time.pass(100)
    assert.strictEqual(list.prune(100), 2)
  })
})
