/**
 * Every state that small lists can reach, by all orders of all events. A state contains everything that still matters:
 * which items are idle and for how long, which are lent, and when the list wants to be woken. `EXPLORE_STATES=…` explores
 * fewer states of each configuration.
 */
import { assert, describe, it } from "vitest"
import { Ageing } from "../../../src/internal/core/recycling/ageing.js"
import { type Budget, FreeList, type ListSlot } from "../../../src/internal/core/recycling/freeList.js"
import { heldByNobody, heldByPool, slotOf } from "../../../src/internal/core/recycling/slot.js"

const most = Number(process.env["EXPLORE_STATES"] ?? Infinity)

interface Configuration {
  readonly borrowers: number
  readonly minSize: number
  readonly maxSize: number
  readonly timeToLive: number
  /** One list for each weight. */
  readonly weights: ReadonlyArray<number>
  readonly maxBytes: number
}

interface Thing {
  readonly id: number
}

type Behaviour = "good" | "factory throws" | "validate says no" | "validate throws" | Cleaning
type Cleaning = "reset says no" | "reset throws" | "reset borrows" | "reset returns another"

type Event =
  | { readonly _tag: "take"; readonly list: number; readonly behaviour: Behaviour }
  | { readonly _tag: "give"; readonly borrower: number; readonly behaviour: Behaviour }
  | { readonly _tag: "invalidate"; readonly borrower: number }
  | { readonly _tag: "prune"; readonly maxIdle: number }
  | { readonly _tag: "turn" | "drift" | "advance" | "clear" | "close" }

/** The error that the user's functions throw. */
const thrown = new Error("thrown by the user")

class World {
  readonly configuration: Configuration
  readonly ageing: Ageing
  readonly lists: ReadonlyArray<FreeList<Thing>>
  readonly budget: Budget
  readonly held: Array<{ readonly slot: ListSlot<Thing>; readonly holder: object } | undefined>
  isClosed = false
  /** Milliseconds. */
  now = 0
  private behaviour: Behaviour = "good"
  private wakeAt: number | undefined
  private later: (() => void) | undefined
  private ids = 0

  constructor(configuration: Configuration) {
    const { borrowers, maxBytes, maxSize, minSize, timeToLive, weights } = configuration
    this.configuration = configuration
    this.held = Array.from({ length: borrowers }, () => undefined)
    this.budget = { kept: 0, max: maxBytes }
    this.ageing = new Ageing({
      clock: () => this.now,
      later: (run) => {
        assert.isUndefined(this.later, "asked twice in one turn")
        this.later = run
      },
      timeToLive,
      wakeIn: (delay) => {
        assert.isUndefined(this.wakeAt, "asked for two ticks")
        assert.isAtLeast(delay, 0)
        this.wakeAt = this.now + Math.ceil(delay)
      }
    })
    this.lists = weights.map((weight) =>
      new FreeList<Thing>({
        factory: () => {
          if (this.takes("factory throws")) throw thrown
          return { id: ++this.ids }
        },
        reset: () => {
          if (this.takes("reset throws")) throw thrown
          if (this.takes("reset borrows")) this.take(0)
          if (this.takes("reset returns another")) this.give(this.held.findIndex((one) => one !== undefined))
          return !this.takes("reset says no")
        },
        validate: () => {
          if (this.takes("validate throws")) throw thrown
          return !this.takes("validate says no")
        },
        minSize,
        maxSize,
        weight,
        budget: this.budget,
        ageing: this.ageing
      })
    )
    for (const list of this.lists) list.fill()
  }

  /** Whether a function of the user behaves like this, once. */
  private takes(behaviour: Behaviour): boolean {
    if (this.behaviour !== behaviour) return false
    this.behaviour = "good"
    return true
  }

  private take(list: number): void {
    const borrower = this.held.indexOf(undefined)
    const holder = { borrower }
    this.held[borrower] = { slot: this.lists[list]!.lend(holder), holder }
  }

  private give(borrower: number): void {
    const { slot } = this.held[borrower]!
    this.held[borrower] = undefined
    slot.owner.takeBack(slot)
  }

  private invalidate(borrower: number): void {
    const { slot } = this.held[borrower]!
    this.held[borrower] = undefined
    slot.owner.invalidate(slot)
  }

  private endTurn(): void {
    const { later } = this
    this.later = undefined
    later?.()
  }

  /** All events that may happen next. Borrowers are alike: the first borrower without an item takes the next item. */
  get events(): ReadonlyArray<Event> {
    const events: Array<Event> = []
    const hasFree = this.held.includes(undefined)
    if (hasFree) {
      for (const [list, { size }] of this.lists.entries()) {
        const behaviours: ReadonlyArray<Behaviour> = size > 0 ? ["good", "validate says no", "validate throws"] : [
          "good",
          "factory throws"
        ]
        for (const behaviour of behaviours) events.push({ _tag: "take", list, behaviour })
      }
    }
    const out = this.held.filter((one) => one !== undefined).length
    for (const [borrower, one] of this.held.entries()) {
      if (one === undefined) continue
      // the borrower that returns is free while its object is reset
      const behaviours: Array<Behaviour> = ["good", "reset says no", "reset throws", "reset borrows"]
      if (out > 1) behaviours.push("reset returns another")
      for (const behaviour of behaviours) events.push({ _tag: "give", borrower, behaviour })
      events.push({ _tag: "invalidate", borrower })
    }
    if (this.later !== undefined) events.push({ _tag: "turn" })
    const isDue = this.wakeAt !== undefined && this.wakeAt <= this.now
    if (this.later !== undefined && this.now === this.ageing.now && !isDue) events.push({ _tag: "drift" })
    events.push({ _tag: "advance" }, { _tag: "clear" }, { _tag: "prune", maxIdle: 0 }, { _tag: "prune", maxIdle: 1 })
    if (!this.isClosed) events.push({ _tag: "close" })
    return events
  }

  perform(event: Event): void {
    this.behaviour = "behaviour" in event ? event.behaviour : "good"
    try {
      switch (event._tag) {
        case "take":
          this.take(event.list)
          break
        case "give":
          this.give(event.borrower)
          break
        case "invalidate":
          this.invalidate(event.borrower)
          break
        case "prune":
          for (const list of this.lists) list.prune(event.maxIdle)
          break
        case "turn":
          this.endTurn()
          break
        case "drift":
          this.now++
          break
        case "advance":
          this.advance()
          break
        case "clear":
          for (const list of this.lists) list.clear()
          break
        case "close":
          this.isClosed = true
          this.ageing.stop()
          this.wakeAt = undefined
          for (const list of this.lists) list.close()
      }
    } catch (error) {
      if (error !== thrown) throw error
    }
    this.behaviour = "good"
  }

  advance(): void {
    this.endTurn()
    this.now++
    if (this.wakeAt === undefined || this.wakeAt > this.now) return
    this.wakeAt = undefined
    this.ageing.tick()
  }

  /** Checks the rules that always hold. */
  check(): void {
    const { maxBytes, maxSize, minSize, timeToLive } = this.configuration
    const lent = this.held.flatMap((one) => one === undefined ? [] : [one])
    const idle = this.lists.flatMap((list) => list["idle"])
    const everything = [...idle, ...lent.map(({ slot }) => slot)]
    assert.strictEqual(
      new Set(everything.map(({ value }) => value)).size,
      everything.length,
      "an item is in two places"
    )
    for (const slot of everything) assert.strictEqual(slotOf(slot.value), slot)
    for (const { holder, slot } of lent) assert.strictEqual(slot.holder, holder, "the holder of a lent item")
    for (const slot of idle) assert.strictEqual(slot.holder, heldByPool, "the holder of an idle item")
    const kept = this.lists.reduce((sum, list) => sum + list.size * list.weight, 0)
    assert.strictEqual(this.budget.kept, kept, "bytes kept")
    assert.isAtMost(kept, maxBytes)
    for (const list of this.lists) {
      const out = lent.filter(({ slot }) => slot.owner === list).length
      const discarded = Object.values(list.discarded).reduce((sum, count) => sum + count, 0)
      assert.strictEqual(list.out, out, "items lent")
      assert.isAtLeast(list.peak, out)
      assert.strictEqual(list.created, list.size + out + discarded, "items created")
      assert.isAtMost(list.size, this.isClosed ? 0 : maxSize)
      const times = list["idle"].map(({ idleSince }) => idleSince)
      assert.deepStrictEqual(times, [...times].sort((a, b) => a - b), "the order of idle items")
      if (times.length <= minSize || timeToLive === Infinity) continue
      assert.isTrue(this.ageing.isArmed && this.wakeAt !== undefined, "an item ages, and no tick will come")
      // the clock is read once per turn, so an item may seem a little older
      assert.isAtMost(this.wakeAt!, times[0]! + timeToLive + 1, "the tick comes too late")
    }
  }

  /** In a kind environment unneeded items go, and after the close all items. */
  finish(): void {
    const items = this.lists.flatMap((list) => list["idle"].map(({ value }) => value))
    for (const [borrower, one] of this.held.entries()) {
      if (one === undefined) continue
      items.push(one.slot.value)
      this.give(borrower)
    }
    const { minSize, timeToLive } = this.configuration
    if (timeToLive !== Infinity) {
      for (let i = 0; i <= timeToLive + 1; i++) this.advance()
      for (const list of this.lists) assert.isAtMost(list.size, minSize, "items that are too old")
      assert.isUndefined(this.wakeAt, "a tick that nothing needs")
    }
    if (!this.isClosed) this.perform({ _tag: "close" })
    this.check()
    for (const item of items) assert.strictEqual(slotOf(item)!.holder, heldByNobody, "an item outlives its pool")
  }

  /** Identifies a state. Ages beyond all limits are alike. */
  get key(): string {
    const age = (time: number) => Math.min(this.now - time, 3)
    const { ageing, held, lists } = this
    return JSON.stringify([
      this.isClosed,
      lists.map((list) => list["idle"].map(({ idleSince }) => age(idleSince))),
      held.map((one) => one === undefined ? -1 : lists.indexOf(one.slot.owner)),
      this.later === undefined ? "stale" : age(ageing.now),
      ageing.isArmed,
      this.wakeAt === undefined ? "none" : this.wakeAt - this.now
    ])
  }
}

/** Calls `check` after each event, and `finish` in each state. Returns how many states there are. */
const explore = (configuration: Configuration): number => {
  const replay = (path: ReadonlyArray<Event>): World => {
    const world = new World(configuration)
    for (const event of path) world.perform(event)
    return world
  }
  const seen = new Set([new World(configuration).key])
  let paths: Array<ReadonlyArray<Event>> = [[]]
  while (paths.length > 0) {
    const longer: typeof paths = []
    for (const path of paths) {
      if (seen.size >= most) return most
      for (const event of replay(path).events) {
        const world = replay(path)
        const next = [...path, event]
        try {
          world.perform(event)
          world.check()
          if (seen.has(world.key)) continue
          seen.add(world.key)
          longer.push(next)
          world.finish()
        } catch (error) {
          throw new Error(`after ${JSON.stringify(next)}`, { cause: error })
        }
      }
    }
    paths = longer
  }
  return seen.size
}

describe("a recycling list, in every state that it can get into", () => {
  const one = { borrowers: 3, minSize: 0, maxSize: 2, timeToLive: Infinity, weights: [0], maxBytes: Infinity }
  const configurations: ReadonlyArray<readonly [name: string, configuration: Configuration, states: number]> = [
    ["nothing ages", one, 255],
    ["items age", { ...one, timeToLive: 2 }, 342],
    ["items age, and one is kept warm", { ...one, minSize: 1, timeToLive: 2 }, 518],
    ["two lists share their bytes", { ...one, borrowers: 2, timeToLive: 1, weights: [1, 2], maxBytes: 3 }, 344]
  ]
  for (const [name, configuration, states] of configurations) {
    it(`${name}: ${states} states`, () => {
      assert.strictEqual(explore(configuration), Math.min(states, most))
    })
  }
})
