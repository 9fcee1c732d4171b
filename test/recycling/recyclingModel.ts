/**
 * A naive model of recycling pools: every object is a number, all lists are searched from end to end, and every figure
 * that can be counted is counted anew.
 */
import * as Clock from "#test/Clock"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Logger from "#test/Logger"
import * as LogLevel from "#test/LogLevel"
import * as Scheduler from "#test/Scheduler"
import * as Scope from "#test/Scope"
import * as Duration from "effect/Duration"

/** Time and fibers that the test moves, without real waiting. */
export class World {
  now = 0
  private readonly scheduler = new Scheduler.ControlledScheduler()
  private readonly sleepers = new Set<{ readonly at: number; readonly wake: () => void }>()
  private readonly scope = Effect.runSync(Scope.make())
  private readonly clock: Clock.Clock

  constructor() {
    this.clock = Clock.changed(Clock.make(), {
      millis: () => this.now,
      sleep: (duration) =>
        Effect.async<void>((resume) => {
          const sleeper = { at: this.now + Duration.toMillis(duration), wake: () => resume(Effect.void) }
          this.sleepers.add(sleeper)
          return Effect.asVoid(Effect.sync(() => this.sleepers.delete(sleeper)))
        })
    })
  }

  open<A>(make: Effect.Effect<A, never, Scope.Scope>): A {
    return Effect.runSync(
      make.pipe(
        Effect.withClock(this.clock),
        Effect.withScheduler(this.scheduler),
        // no log lines about misuse
        Logger.withMinimumLogLevel(LogLevel.None),
        Scope.extend(this.scope)
      )
    )
  }

  close(): void {
    Effect.runSync(Scope.close(this.scope, Exit.void))
  }

  get sleeping(): number {
    return this.sleepers.size
  }

  /** Runs fibers until all of them wait for time to pass. */
  settle(): void {
    for (let i = 0; i < 8; i++) {
      this.scheduler.step()
      for (const sleeper of this.sleepers) {
        if (sleeper.at > this.now) continue
        this.sleepers.delete(sleeper)
        sleeper.wake()
      }
    }
    this.scheduler.step()
  }

  /** Advances the time, millisecond by millisecond. */
  async advance(millis: number, each: () => void): Promise<void> {
    for (let i = 0; i < millis; i++) {
      // the end of a turn of the event loop
      await Promise.resolve()
      this.now++
      this.settle()
      each()
    }
    await Promise.resolve()
  }
}

export interface NaiveOptions {
  readonly minSize: number
  readonly maxSize: number
  readonly timeToLive: number
  readonly weight: number
}

/** The result of a return. */
export type Outcome = "good" | "unfit" | "failed" | "invalidated"

type Reason = Exclude<Outcome, "good"> | "full" | "idle" | "closed"

export class NaiveList {
  readonly options: NaiveOptions
  /** All lists that share a byte limit, and the limit. */
  family: ReadonlyArray<NaiveList> = [this]
  maxBytes = Infinity
  isClosed = false
  /** The idle items, the longest idle first. */
  idle: Array<{ readonly id: number; readonly since: number }> = []
  readonly lent = new Set<number>()
  created = 0
  acquisitions = 0
  reused = 0
  failures = 0
  peak = 0
  /** The peak of the whole family, kept by its first list. */
  mostOfAll = 0
  readonly discarded: Record<Reason, number> = {
    full: 0,
    unfit: 0,
    failed: 0,
    invalidated: 0,
    idle: 0,
    closed: 0
  }
  readonly refused = { foreign: 0, notOut: 0, stale: 0 }

  constructor(options: NaiveOptions) {
    this.options = options
  }

  get minSize(): number {
    return this.isClosed ? 0 : this.options.minSize
  }

  get maxSize(): number {
    return this.isClosed ? 0 : this.options.maxSize
  }

  get bytes(): number {
    return this.family.reduce((sum, list) => sum + list.idle.length * list.options.weight, 0)
  }

  /** Returns the ids of the items created in advance. */
  fill(ids: () => number, now: number): void {
    while (this.idle.length < this.minSize) {
      this.created++
      this.idle.push({ id: ids(), since: now })
    }
  }

  /** `undefined`: a new item has to be created. */
  borrow(isFit: (id: number) => boolean): number | undefined {
    for (let top = this.idle.pop(); top !== undefined; top = this.idle.pop()) {
      if (isFit(top.id)) {
        this.reused++
        this.lend(top.id)
        return top.id
      }
      this.discarded.unfit++
    }
    return undefined
  }

  lendNew(id: number): void {
    this.created++
    this.lend(id)
  }

  private lend(id: number): void {
    this.acquisitions++
    this.lent.add(id)
    this.peak = Math.max(this.peak, this.lent.size)
    const first = this.family[0]!
    first.mostOfAll = Math.max(first.mostOfAll, this.family.reduce((sum, list) => sum + list.lent.size, 0))
  }

  /** Returns whether the list keeps the item. */
  release(id: number, now: number, outcome: Outcome): boolean {
    this.lent.delete(id)
    if (outcome !== "good") this.discarded[outcome]++
    else if (this.idle.length >= this.maxSize || this.bytes + this.options.weight > this.maxBytes) {
      this.discarded[this.isClosed ? "closed" : "full"]++
    } else {
      this.idle.push({ id, since: now })
      return true
    }
    return false
  }

  prune(maxIdle: number, now: number): number {
    let count = 0
    while (this.idle.length > this.minSize && now - this.idle[0]!.since >= maxIdle) {
      this.idle.shift()
      count++
    }
    this.discarded.idle += count
    return count
  }

  /** The pool's own ageing. */
  age(now: number): void {
    this.prune(this.options.timeToLive, now)
  }

  clear(): number {
    const count = this.idle.length
    this.idle = []
    this.discarded.idle += count
    return count
  }

  close(): void {
    this.isClosed = true
    this.discarded.closed += this.idle.length
    this.idle = []
  }
}
