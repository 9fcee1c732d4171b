/**
 * Every recycling pool against a naive model of it.
 *
 * Every run has its own seed, and a failure prints it: `FC_SEED=… npx vitest run test/recycling/recyclingPools.model.test.ts`
 * repeats that run. `FC_RUNS=…` runs longer.
 */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Scope from "#test/Scope"
import { ArrayList } from "effect-pools/ArrayList"
import * as BufferPool from "effect-pools/BufferPool"
import * as CollectionPool from "effect-pools/CollectionPool"
import * as ObjectPool from "effect-pools/ObjectPool"
import type { RecyclingPoolStats } from "effect-pools/PoolStats"
import * as TieredBufferPool from "effect-pools/TieredBufferPool"
import * as FastCheck from "fast-check"
import { assert, describe, it } from "vitest"
import { isFirst } from "../support/sampled.js"
import { NaiveList, type Outcome, World } from "./recyclingModel.js"

const { FC_RUNS: runs = isFirst ? "1500" : "500", FC_SEED: seed } = process.env
const replay = seed === undefined ? {} : { seed: Number(seed) }

// chai costs microseconds even if the values are equal

const ensure: (holds: boolean, rule: string) => asserts holds = (holds, rule) => {
  if (!holds) assert.fail(rule)
}

const same = <A>(actual: A, expected: A, what: string): void => {
  if (!Object.is(actual, expected)) assert.strictEqual(actual, expected, what)
}

const sameFigures = (stats: RecyclingPoolStats, list: NaiveList): void => {
  same(stats.size, list.idle.length, "size")
  same(stats.inUse, list.lent.size, "inUse")
  same(stats.min, list.minSize, "min")
  same(stats.max, list.maxSize, "max")
  same(stats.created, list.created, "created")
  same(stats.acquisitions, list.acquisitions, "acquisitions")
  same(stats.reused, list.reused, "reused")
  same(stats.returned, list.acquisitions - list.lent.size, "returned")
  same(stats.failures, list.failures, "failures")
  same(stats.peak, list.peak, "peak")
  for (const reason of reasons) same(stats.discarded[reason], list.discarded[reason], `discarded: ${reason}`)
  for (const reason of refusals) same(stats.refused[reason], list.refused[reason], `refused: ${reason}`)
}

const reasons = ["full", "unfit", "failed", "invalidated", "idle", "closed"] as const
const refusals = ["foreign", "notOut", "stale"] as const

// --- generated steps

const at = FastCheck.nat({ max: 7 })
const among = <const A>(...values: [A, ...Array<A>]): FastCheck.Arbitrary<A> => FastCheck.constantFrom(...values)

/** How long a borrower keeps an item: for one function, for one effect, or until a later return. */
type How = "useSync" | "use" | "get" | "lease" | "unsafe"

interface Borrow {
  readonly op: "borrow"
  readonly how: How
  /** How a borrow of one function or effect ends. */
  readonly ending: "succeeds" | "fails" | "dies"
  /** Whether such a borrow discards its lease before, if it has one. */
  readonly discards: boolean
  /** Chooses the tier or the collection; for buffers also the length of the view, and the written bytes. */
  readonly at: number
  readonly length: number
  readonly written: number
}

type Step =
  | Borrow
  | { readonly op: "release" | "discard"; readonly at: number }
  | {
    readonly op: "releaseAgain" | "releaseForeign" | "releaseLent" | "useStale" | "spoil" | "clear" | "close"
    readonly at: number
  }
  | { readonly op: "prune"; readonly maxIdle: number }
  | { readonly op: "advance"; readonly millis: number }
  /** The next call of a user's function throws, or returns `false`. */
  | { readonly op: "break"; readonly what: Broken }

type Broken = "factory" | "reset" | "validate" | "reset says no"

const borrow: FastCheck.Arbitrary<Step> = FastCheck.record({
  op: among("borrow"),
  how: among("useSync", "use", "get", "lease", "unsafe", "unsafe", "lease"),
  ending: among("succeeds", "succeeds", "fails", "dies"),
  discards: among(false, false, false, true),
  at,
  length: FastCheck.nat({ max: 8 }),
  written: FastCheck.integer({ min: -1, max: 9 })
})

const step: FastCheck.Arbitrary<Step> = FastCheck.oneof(
  { weight: 200, arbitrary: borrow },
  { weight: 125, arbitrary: FastCheck.record({ op: among("release"), at }) },
  { weight: 25, arbitrary: FastCheck.record({ op: among("discard"), at }) },
  {
    weight: 50,
    arbitrary: FastCheck.record({ op: among("releaseAgain", "releaseForeign", "releaseLent", "useStale", "spoil"), at })
  },
  { weight: 10, arbitrary: FastCheck.record({ op: among("clear"), at }) },
  { weight: 15, arbitrary: FastCheck.record({ op: among("prune"), maxIdle: among(0, 1, 3, 10) }) },
  { weight: 50, arbitrary: FastCheck.record({ op: among("advance"), millis: among(1, 2, 5) }) },
  {
    weight: 25,
    arbitrary: FastCheck.record({
      op: among("break"),
      what: among("factory", "reset", "validate", "reset says no")
    })
  },
  { weight: 1, arbitrary: FastCheck.record({ op: among("close"), at }) }
)

interface Scenario {
  readonly minSize: number
  readonly maxSize: number
  readonly timeToLive: number
  readonly zero: "onRelease" | "never"
  readonly maxBytes: number
  readonly steps: ReadonlyArray<Step>
}

const scenario: FastCheck.Arbitrary<Scenario> = FastCheck.record({
  minSize: among(0, 0, 1, 2),
  maxSize: among(2, 3, 5, 64),
  timeToLive: among(Infinity, 4, 10),
  zero: among("onRelease", "never"),
  maxBytes: among(24, 40, 1000),
  steps: FastCheck.array(step, { maxLength: 200, size: "max" })
})

// --- a pool and its model, side by side

/** The ways to borrow, for any pool. */
interface Face<V extends object> {
  readonly use: <E>(f: (value: V, discard?: () => boolean) => Effect.Effect<void, E>) => Effect.Effect<void, E>
  readonly useSync: (f: (value: V, discard?: () => boolean) => void) => Effect.Effect<void>
  readonly get: Effect.Effect<V, never, Scope.Scope>
  readonly lease: () => FaceLease<V>
  readonly unsafeAcquire: () => V
  readonly unsafeRelease: (value: V) => boolean
}

interface FaceLease<V> {
  readonly value: () => V
  readonly release: () => boolean
  readonly discard: () => boolean
}

/** A borrowed item, which is returned in the way in which it was borrowed. */
interface Held<V> {
  readonly list: NaiveList
  readonly id: number
  readonly value: V
  readonly how: How
  readonly lease: FaceLease<V> | undefined
  readonly end: () => boolean | void
}

const outcome = (ending: Borrow["ending"]): Effect.Effect<void, string> =>
  ending === "succeeds" ? Effect.sync(() => undefined) : ending === "fails" ? Effect.fail("no") : Effect.die("no")

abstract class Run<V extends object> {
  executed = 0
  protected readonly world = new World()
  protected readonly lists: ReadonlyArray<NaiveList>
  private held: Array<Held<V>> = []
  private ended: Array<Held<V>> = []
  private readonly ids = new Map<object, number>()
  private made = 0
  /** Whether users supply functions. */
  protected readonly asksUsers: boolean = false
  /** What the next call of a user's function throws or returns. */
  protected broken: Broken | undefined
  /** Whether the borrower of `use` and `useSync` has a lease. */
  protected readonly lendsLeases: boolean = false

  constructor(lists: ReadonlyArray<NaiveList>) {
    this.lists = lists
  }

  // --- differences between pools

  protected abstract stats(): ReadonlyArray<RecyclingPoolStats>
  protected abstract prune(maxIdle: number): number
  protected abstract clear(): number
  protected abstract face(step: Borrow): Face<V>
  protected abstract listFor(step: Borrow): NaiveList
  protected abstract unsafeRelease(list: NaiveList, value: V): boolean
  /** A value of no pool, or a copy of a pooled item; and the list that counts the refusal. */
  protected abstract foreign(at: number): readonly [NaiveList, V]
  /** Makes the item unfit to be lent again. */
  protected abstract spoil(held: Held<V>): false | void
  protected abstract isFit(list: NaiveList, id: number): boolean
  /** The expected result of the item's return. */
  protected abstract fate(list: NaiveList, id: number): Outcome
  /** The identity of an item, for any borrower. */
  protected abstract identity(value: V): object
  /** A borrower inspects and changes the item. */
  protected abstract meet(list: NaiveList, id: number, value: V): void
  /** Whether the value is the pooled item itself, not a view of it. */
  protected abstract isItself(held: Held<V>): boolean

  // --- steps

  async take(steps: ReadonlyArray<Step>): Promise<number> {
    this.compare()
    for (const step of steps) {
      if (await this.perform(step) === false) continue
      this.executed++
      seen.add(step.op === "borrow" ? step.how : step.op)
      this.world.settle()
      this.age()
      this.compare()
    }
    this.broken = undefined
    for (const held of [...this.held]) this.release(held)
    this.compare()
    this.close()
    this.compare()
    this.world.settle()
    same(this.world.sleeping, 0, "a closed pool sleeps")
    return this.executed
  }

  /** Items created in advance. */
  protected fill(): void {
    for (const list of this.lists) list.fill(() => ++this.made, this.world.now)
  }

  private age(): void {
    for (const list of this.lists) list.age(this.world.now)
  }

  private close(): void {
    this.world.close()
    for (const list of this.lists) list.close()
  }

  private compare(): void {
    this.stats().forEach((stats, index) => sameFigures(stats, this.lists[index]!))
    ensure(this.world.sleeping <= this.lists.length, "more than one fiber sleeps")
  }

  private async perform(step: Step): Promise<false | void> {
    const { now } = this.world
    switch (step.op) {
      case "borrow":
        return this.borrow(step)
      case "release": {
        const held = this.pick(this.held, step.at)
        return held !== undefined && this.release(held)
      }
      case "discard": {
        const held = this.pick(this.held.filter(({ lease }) => lease !== undefined), step.at)
        return held !== undefined && this.discard(held)
      }
      case "releaseAgain": {
        const ended = this.pick(this.ended, step.at)
        if (ended === undefined || this.held.some(({ value }) => value === ended.value)) return false
        return this.refused(ended)
      }
      case "releaseLent": {
        const held = this.pick(this.held.filter(({ how }) => how !== "unsafe"), step.at)
        return held !== undefined && this.refused(held)
      }
      case "releaseForeign": {
        const [list, value] = this.foreign(step.at)
        list.refused.foreign++
        return same(this.unsafeRelease(list, value), false, "a foreign release")
      }
      case "useStale": {
        const ended = this.pick(this.ended.filter(({ lease }) => lease !== undefined), step.at)
        if (ended === undefined) return false
        ended.list.refused.stale += 3
        same(ended.lease!.release(), false, "a second release of a lease")
        same(ended.lease!.discard(), false, "a discard of a lease that has ended")
        try {
          ended.lease!.value()
        } catch {
          return
        }
        return assert.fail("a stale lease can be used")
      }
      case "spoil": {
        const held = this.pick(this.held, step.at)
        return held !== undefined && this.spoil(held)
      }
      case "prune": {
        const expected = this.lists.reduce((sum, list) => sum + list.prune(step.maxIdle, now), 0)
        return same(this.prune(step.maxIdle), expected, "pruned")
      }
      case "clear": {
        this.broken = undefined
        const expected = this.lists.reduce((sum, list) => sum + list.clear(), 0)
        this.fill()
        return same(this.clear(), expected, "cleared")
      }
      case "advance":
        return this.world.advance(step.millis, () => {
          this.age()
          this.compare()
        })
      case "break":
        if (!this.asksUsers) return false
        this.broken = step.what
        return
      case "close":
        return this.close()
    }
  }

  private refused(held: Held<V>): void {
    if (this.isItself(held)) held.list.refused.notOut++
    else this.foreign(0)[0].refused.foreign++
    same(this.unsafeRelease(held.list, held.value), false, "a release by who has no right to it")
  }

  /** The id of the lent item, or the expected error. */
  private foresee(list: NaiveList): number | string {
    if (this.broken === "validate" && list.idle.length > 0) {
      list.idle.pop()
      list.discarded.failed++
      return "validate"
    }
    const id = list.borrow((id) => this.isFit(list, id))
    if (id !== undefined) return id
    if (this.broken === "factory") {
      list.failures++
      return "factory"
    }
    list.lendNew(++this.made)
    return this.made
  }

  private borrow(step: Borrow): void {
    const list = this.listFor(step)
    const face = this.face(step)
    const id = this.foresee(list)
    const meet = (value: V) => {
      ensure(typeof id === "number", `${id} should have thrown`)
      this.know(value, id)
      this.meet(list, id, value)
    }
    if (step.how === "use" || step.how === "useSync") return this.useOnce(step, face, list, id, meet)
    try {
      const [value, end, lease] = lend(face, step.how)
      meet(value)
      this.held.push({ list, id: id as number, value, how: step.how, lease, end })
    } catch (error) {
      if (typeof id === "number") throw error
    }
  }

  private useOnce(
    { discards, ending, how }: Borrow,
    face: Face<V>,
    list: NaiveList,
    id: number | string,
    meet: (value: V) => void
  ): void {
    let fate: Outcome = "good"
    const discarding = discards && this.lendsLeases
    const body = (value: V, discard: (() => boolean) | undefined) => {
      meet(value)
      if (discarding) same(discard!(), true, "a discard")
    }
    const effect: Effect.Effect<void, string> = how === "use"
      ? face.use((value, discard) => {
        body(value, discard)
        return outcome(ending)
      })
      : face.useSync((value, discard) => {
        body(value, discard)
        if (ending !== "succeeds") throw "no"
      })
    if (typeof id === "number") {
      fate = discarding ? "invalidated" : this.fate(list, id)
      list.release(id, this.world.now, fate)
    }
    const succeeds = typeof id === "number" && ending === "succeeds" && fate !== "failed"
    const exit = Effect.runSyncExit(effect)
    if (Exit.isSuccess(exit) !== succeeds) assert.fail(`${String(exit)}, but it ${succeeds ? "succeeds" : "fails"}`)
  }

  private discard(held: Held<V>): void {
    this.end(held, "invalidated")
    same(held.lease!.discard(), true, "a discard")
  }

  private end(held: Held<V>, fate: Outcome): void {
    this.held = this.held.filter((other) => other !== held)
    this.ended.push(held)
    held.list.release(held.id, this.world.now, fate)
  }

  private release(held: Held<V>): void {
    const fate = this.fate(held.list, held.id)
    this.end(held, fate)
    let answer: boolean | void = undefined
    try {
      answer = held.end()
    } catch (error) {
      if (fate !== "failed") throw error
      return
    }
    same(fate === "failed", false, "a reset that throws is not noticed")
    same(answer ?? true, true, "a release")
  }

  private know(value: V, id: number): void {
    const identity = this.identity(value)
    const known = this.ids.get(identity)
    if (known === undefined) this.ids.set(identity, id)
    else same(known, id, "which one is lent")
  }

  private pick<A>(from: ReadonlyArray<A>, at: number): A | undefined {
    return from.length === 0 ? undefined : from[from.length - 1 - at % from.length]
  }
}

const lend = <V extends object>(
  face: Face<V>,
  how: How
): readonly [V, () => boolean | void, FaceLease<V> | undefined] => {
  if (how === "unsafe") {
    const value = face.unsafeAcquire()
    return [value, () => face.unsafeRelease(value), undefined]
  }
  if (how === "lease") {
    const lease = face.lease()
    return [lease.value(), lease.release, lease]
  }
  const scope = Effect.runSync(Scope.make())
  const value = Effect.runSync(Scope.extend(face.get, scope))
  return [value, () => Effect.runSync(Scope.close(scope, Exit.void)), undefined]
}

const objectFace = <V extends object>(pool: ObjectPool.Service<V>, use: Face<V>["use"] = pool.use): Face<V> => ({
  use,
  useSync: pool.useSync,
  get: pool.get,
  lease: () => {
    const lease = pool.lease()
    return { value: () => lease.value, release: () => lease.release(), discard: () => lease.discard() }
  },
  unsafeAcquire: () => pool.unsafeAcquire(),
  unsafeRelease: (value) => pool.unsafeRelease(value)
})

// --- objects

interface Thing {
  readonly id: number
  content: number
}

class ObjectRun extends Run<Thing> {
  protected override readonly asksUsers = true
  private readonly pool: ObjectPool.Service<Thing>
  private readonly unfit = new Set<number>()
  private things = 0

  constructor({ maxSize, minSize, timeToLive }: Scenario) {
    super([new NaiveList({ minSize, maxSize, timeToLive, weight: 0 })])
    this.pool = this.world.open(ObjectPool.make<Thing>({
      minSize,
      maxSize,
      idleTimeToLive: timeToLive,
      factory: () => {
        this.call("factory")
        return { id: ++this.things, content: 0 }
      },
      reset: (thing) => {
        this.call("reset")
        thing.content = 0
        if (this.broken !== "reset says no") return
        this.broken = undefined
        return false
      },
      validate: ({ id }) => {
        this.call("validate")
        return !this.unfit.has(id)
      }
    }))
    this.fill()
  }

  private call(what: "factory" | "reset" | "validate"): void {
    if (this.broken !== what) return
    this.broken = undefined
    throw what
  }

  protected stats() {
    return [this.pool.unsafeStats()]
  }

  protected prune(maxIdle: number) {
    return Effect.runSync(this.pool.prune(maxIdle))
  }

  protected clear() {
    return Effect.runSync(this.pool.clear)
  }

  protected face() {
    return objectFace(this.pool)
  }

  protected listFor() {
    return this.lists[0]!
  }

  protected unsafeRelease(_: NaiveList, value: Thing) {
    return this.pool.unsafeRelease(value)
  }

  protected foreign(at: number) {
    return [this.lists[0]!, { id: at, content: 0 }] as const
  }

  protected spoil({ id }: Held<Thing>) {
    this.unfit.add(id)
  }

  protected isFit(_: NaiveList, id: number) {
    return !this.unfit.has(id)
  }

  protected fate(): Outcome {
    return this.broken === "reset" ? "failed" : this.broken === "reset says no" ? "unfit" : "good"
  }

  protected identity(value: Thing) {
    return value
  }

  protected meet(_: NaiveList, id: number, thing: Thing) {
    same(thing.id, id, "the one that is lent")
    same(thing.content, 0, "what was left in it")
    thing.content = 1
  }

  protected isItself() {
    return true
  }
}

// --- buffers

type Bytes = Uint8Array<ArrayBuffer>

const transferAway = (bytes: Bytes): void => {
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
}

/** Borrowers fill all bytes that they may write to; the next borrower looks at all bytes. */
abstract class BytesRun extends Run<Bytes> {
  protected override readonly lendsLeases = true
  private readonly zero: boolean
  private readonly gone = new Set<number>()

  constructor(lists: ReadonlyArray<NaiveList>, { zero }: Scenario) {
    super(lists)
    this.zero = zero === "onRelease"
  }

  protected spoil({ id, value }: Held<Bytes>): false | void {
    if (value.buffer.byteLength === 0) return false
    this.gone.add(id)
    transferAway(value)
  }

  protected isFit(_: NaiveList, id: number) {
    return !this.gone.has(id)
  }

  protected fate(list: NaiveList, id: number): Outcome {
    return this.gone.has(id) && list.options.weight > 0 ? "unfit" : "good"
  }

  protected identity(value: Bytes) {
    return value.buffer
  }

  protected meet(_: NaiveList, id: number, bytes: Bytes) {
    const whole = new Uint8Array(bytes.buffer)
    if (this.zero && whole.some((byte) => byte !== 0)) assert.fail(`bytes of somebody else in ${id}: ${whole.join()}`)
    bytes.fill(1)
  }

  /** Compares with the state at the borrow: the memory may be gone. */
  protected isItself({ list, how, lease, value }: Held<Bytes>): boolean {
    return how === "unsafe" || this.wholes.has(value) || (lease === undefined && list.options.weight === 0)
  }

  /** Buffers that were lent as a whole. */
  protected readonly wholes = new WeakSet<Bytes>()

  protected note(view: Bytes): Bytes {
    if (view.length === view.buffer.byteLength) this.wholes.add(view)
    return view
  }
}

const isCount = (written: number, length: number) => written >= 0 && written < length

class BufferRun extends BytesRun {
  private readonly pool: BufferPool.Service

  constructor(scenario: Scenario) {
    const { maxSize, minSize, timeToLive, zero } = scenario
    super([new NaiveList({ minSize, maxSize, timeToLive, weight: 8 })], scenario)
    this.pool = this.world.open(
      BufferPool.make({ bufferSize: 8, minBuffers: minSize, maxBuffers: maxSize, zero, idleTimeToLive: timeToLive })
    )
    this.fill()
  }

  protected stats() {
    return [this.pool.unsafeStats()]
  }

  protected prune(maxIdle: number) {
    return Effect.runSync(this.pool.prune(maxIdle))
  }

  protected clear() {
    return Effect.runSync(this.pool.clear)
  }

  protected face({ length, written }: Borrow): Face<Bytes> {
    const { pool } = this
    return {
      use: (f) => pool.use((view, lease) => f(this.note(view), () => lease.discard()), { length }),
      useSync: (f) => pool.useSync((view, lease) => f(this.note(view), () => lease.discard()), { length }),
      get: Effect.map(pool.get, (view) => this.note(view)),
      lease: () => {
        const lease = pool.lease({ length })
        return {
          value: () => this.note(lease.view()),
          release: () => lease.release(),
          discard: () => lease.discard()
        }
      },
      unsafeAcquire: () => {
        const bytes = pool.unsafeAcquire()
        return this.written(bytes, written)
      },
      unsafeRelease: (bytes) => pool.unsafeRelease(bytes, written)
    }
  }

  /** `meet` fills all bytes; here the borrower may write only to the bytes it declares at the end. */
  private written(bytes: Bytes, written: number): Bytes {
    if (isCount(written, bytes.length)) this.limits.set(bytes, written)
    else this.limits.delete(bytes)
    return bytes
  }

  private readonly limits = new WeakMap<Bytes, number>()

  protected override meet(list: NaiveList, id: number, bytes: Bytes) {
    super.meet(list, id, bytes)
    const limit = this.limits.get(bytes)
    if (limit !== undefined) bytes.fill(0, limit)
    this.limits.delete(bytes)
  }

  protected listFor() {
    return this.lists[0]!
  }

  protected unsafeRelease(_: NaiveList, value: Bytes) {
    return this.pool.unsafeRelease(value)
  }

  protected foreign() {
    return [this.lists[0]!, new Uint8Array(8)] as const
  }
}

const sizes = [2, 4, 16]

class TieredRun extends BytesRun {
  private readonly pool: TieredBufferPool.Service

  constructor(scenario: Scenario) {
    const { maxBytes, maxSize, timeToLive, zero } = scenario
    const lists = [...sizes, 0].map((weight) =>
      new NaiveList({ minSize: 0, maxSize: weight === 0 ? 0 : maxSize, timeToLive, weight })
    )
    for (const list of lists) {
      list.family = lists
      list.maxBytes = maxBytes
    }
    super(lists, scenario)
    this.pool = this.world.open(
      TieredBufferPool.make({ sizes, maxBuffersPerTier: maxSize, maxBytes, zero, idleTimeToLive: timeToLive })
    )
  }

  protected stats() {
    const { all, bytes, maxBytes, oversize, tiers } = this.pool.unsafeStats()
    const [first, ...rest] = this.lists
    same(bytes, first!.bytes, "bytes that are kept")
    ensure(bytes <= maxBytes, "more bytes than maxBytes")
    const largest = rest.at(-1)!
    same(oversize, largest.acquisitions, "oversize requests")
    const sum = (read: (list: NaiveList) => number) => this.lists.reduce((sum, list) => sum + read(list), 0)
    same(all.acquisitions, sum((list) => list.acquisitions), "acquisitions in all")
    same(all.inUse, sum((list) => list.lent.size), "in use in all")
    same(all.misses, sum((list) => list.acquisitions - list.reused), "misses in all")
    same(all.peak, first!.mostOfAll, "peak in all")
    // oversized buffers have no figures of their own: they are the remainder of all
    const stats = tiers.map(({ stats }) => stats)
    const left = (read: (stats: RecyclingPoolStats) => number) =>
      stats.reduce((sum, stats) => sum - read(stats), read(all))
    same(left((stats) => stats.created), largest.created, "created, too large")
    same(left((stats) => stats.returned), largest.acquisitions - largest.lent.size, "returned, too large")
    for (const reason of reasons) {
      same(left((stats) => stats.discarded[reason]), largest.discarded[reason], `discarded, too large: ${reason}`)
    }
    for (const reason of refusals) {
      same(left((stats) => stats.refused[reason]), largest.refused[reason], `refused, too large: ${reason}`)
    }
    return stats
  }

  protected prune(maxIdle: number) {
    return Effect.runSync(this.pool.prune(maxIdle))
  }

  protected clear() {
    return Effect.runSync(this.pool.clear)
  }

  private lengthOf({ at, length }: Borrow): number {
    return at < 4 ? length : at + length + 2
  }

  protected face(step: Borrow): Face<Bytes> {
    const { pool } = this
    const length = this.lengthOf(step)
    return {
      use: (f) => pool.use(length, (view, lease) => f(this.note(view), () => lease.discard())),
      useSync: (f) => pool.useSync(length, (view, lease) => f(this.note(view), () => lease.discard())),
      get: Effect.map(pool.get(length), (view) => this.note(view)),
      lease: () => {
        const lease = pool.lease(length)
        return {
          value: () => this.note(lease.view()),
          release: () => lease.release(),
          discard: () => lease.discard()
        }
      },
      unsafeAcquire: () => pool.unsafeAcquire(length),
      unsafeRelease: (bytes) => pool.unsafeRelease(bytes)
    }
  }

  protected listFor(step: Borrow) {
    const length = this.lengthOf(step)
    return this.lists[sizes.findIndex((size) => size >= length)] ?? this.lists.at(-1)!
  }

  protected unsafeRelease(_: NaiveList, value: Bytes) {
    return this.pool.unsafeRelease(value)
  }

  protected foreign(at: number) {
    return [this.lists.at(-1)!, new Uint8Array(sizes[at % 3]!)] as const
  }
}

// --- collections

type Collection = Array<number> | ArrayList<number> | Map<number, number> | Set<number> | Record<string, number>

const kinds = ["arrays", "lists", "maps", "sets", "records"] as const

class CollectionRun extends Run<Collection> {
  private readonly pool: CollectionPool.Service
  private readonly frozen = new Set<number>()

  constructor({ maxSize, timeToLive }: Scenario) {
    super(kinds.map(() => new NaiveList({ minSize: 0, maxSize, timeToLive, weight: 0 })))
    this.pool = this.world.open(CollectionPool.make({
      maxArrays: maxSize,
      maxLists: maxSize,
      maxMaps: maxSize,
      maxSets: maxSize,
      maxRecords: maxSize,
      maxArrayLength: 2,
      idleTimeToLive: timeToLive
    }))
  }

  protected stats() {
    const stats = this.pool.unsafeStats()
    return kinds.map((kind) => stats[kind])
  }

  protected prune(maxIdle: number) {
    return Effect.runSync(this.pool.prune(maxIdle))
  }

  protected clear() {
    return Effect.runSync(this.pool.clear)
  }

  private of(list: NaiveList): ObjectPool.Service<any> {
    return this.pool[kinds[this.lists.indexOf(list)]!]
  }

  protected face({ at }: Borrow): Face<Collection> {
    const { useArray, useList, useMap, useRecord, useSet } = this.pool
    const use = [useArray, useList, useMap, useSet, useRecord][at % 5]
    return objectFace<any>(this.of(this.lists[at % 5]!), use as any)
  }

  protected listFor({ at }: Borrow) {
    return this.lists[at % 5]!
  }

  protected unsafeRelease(list: NaiveList, value: Collection) {
    return this.of(list).unsafeRelease(value)
  }

  protected foreign(at: number): readonly [NaiveList, Collection] {
    const others: ReadonlyArray<Collection> = [[], new ArrayList(), new Map(), new Set(), {}]
    return [this.lists[at % 5]!, others[at % 5]!]
  }

  protected spoil({ id, list, value }: Held<Collection>): false | void {
    if (list !== this.lists[0]) return false
    this.frozen.add(id)
    Object.freeze(value)
  }

  protected isFit() {
    return true
  }

  protected fate(_: NaiveList, id: number): Outcome {
    return this.frozen.has(id) ? "failed" : "good"
  }

  protected identity(value: Collection) {
    return value
  }

  protected meet(_: NaiveList, id: number, value: Collection) {
    if (value instanceof ArrayList) {
      ensure(value.length === 0 && value.pop() === undefined, "an entry of another borrower")
      for (let i = 0; i < id % 4; i++) value.push(id)
      return
    }
    const isEmpty = value instanceof Map || value instanceof Set ? value.size === 0 : Reflect.ownKeys(value).length < 2
    ensure(isEmpty && (!Array.isArray(value) || value.length === 0), "something of another borrower")
    if (Array.isArray(value)) {
      value.push(...Array.from({ length: 1 + id % 4 }, () => id))
      Object.assign(value, { extra: id })
    } else if (value instanceof Map) value.set(id, id)
    else if (value instanceof Set) value.add(id)
    else Object.assign(value, { [id]: id, [Symbol("hidden")]: id })
  }

  protected isItself() {
    return true
  }
}

// --- the properties

/** The events of all runs of one pool: they show if a generator no longer reaches a case. */
let seen = new Set<string>()

const everything = [
  ...["use", "useSync", "get", "lease", "unsafe", "release", "releaseAgain", "releaseForeign", "releaseLent"],
  ...["discard", "useStale", "spoil", "clear", "close", "prune", "advance"]
]

describe("recycling pools, each beside a naive model of it", () => {
  const pools: Record<string, (scenario: Scenario) => Run<any>> = {
    ObjectPool: (scenario) => new ObjectRun(scenario),
    BufferPool: (scenario) => new BufferRun(scenario),
    TieredBufferPool: (scenario) => new TieredRun(scenario),
    CollectionPool: (scenario) => new CollectionRun(scenario)
  }
  for (const [name, make] of Object.entries(pools)) {
    it(`${name} does the same in generated steps`, { timeout: 200 * Number(runs) }, async () => {
      seen = new Set()
      let executed = 0
      await FastCheck.assert(
        FastCheck.asyncProperty(scenario, async (scenario) => {
          executed += await make(scenario).take(scenario.steps)
          // the test runner's own messages must not wait until the end
          await new Promise<void>((resolve) => setImmediate(resolve))
        }),
        { numRuns: Number(runs), ...replay }
      )
      assert.isAtLeast(executed, Number(runs) * 65)
      assert.deepStrictEqual(everything.filter((what) => !seen.has(what)), [], "what no run came upon")
    })
  }
})
