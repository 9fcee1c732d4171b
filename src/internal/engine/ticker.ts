/** One fiber that sleeps until the next tick of any machine is due; no fiber while nothing is due. */
import { andThen } from "#effect/effect"
import { fork, type PoolRuntime } from "#effect/poolRuntime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { PoolClock, Time } from "../core/clock.js"
import { type HeapNode, IndexedHeap } from "../core/indexedHeap.js"
import { Sleeper } from "../time/sleeper.js"

/** A tick this many milliseconds late was held up, and answers that came in time may be held up, too. */
const heldUp = 100

interface Ticking {
  tick(now: Time, chance: number): void
  disarm(now: Time): boolean
}

/** The ticks of the machines that share a fiber. */
export class Ticks {
  private readonly runtime: PoolRuntime
  private readonly time: PoolClock
  private readonly sleeper: Sleeper
  /** By their due times. */
  private readonly tickers = new IndexedHeap<Ticker>()
  /** Those that the current round has yet to call, the next one last. */
  private due: Array<Ticker> = []
  private resting: Array<Ticker> = []
  /** When the sleeper wakes. */
  private wakesAt = Infinity
  private isTicking = false

  constructor(runtime: PoolRuntime, time: PoolClock) {
    this.runtime = runtime
    this.time = time
    const tick = Effect.ensuring(
      Effect.suspend(() => {
        this.takeThoseDue()
        return this.tickEach
      }),
      Effect.sync(() => this.ticked())
    )
    // one turn of I/O first: an answer may have arrived in time
    const late = andThen(runtime.clock.sleep(Duration.zero), tick)
    this.sleeper = new Sleeper(
      runtime.clock,
      (effect) => fork(runtime, effect),
      Effect.suspend(() => {
        const isLate = this.time.read().monotonic - this.wakesAt > heldUp
        this.isTicking = true
        return isLate ? late : tick
      })
    )
  }

  set(ticker: Ticker, at: number): void {
    this.tickers.remove(ticker)
    ticker.key = at
    this.tickers.add(ticker)
    this.arm()
  }

  rest(ticker: Ticker): void {
    this.resting.push(ticker)
    if (this.resting.length > 1) return
    const disarm = Effect.sync(() => {
      const { resting } = this
      this.resting = []
      for (const ticker of resting) if (ticker.machine.disarm(this.time.read())) this.cancel(ticker)
    })
    fork(this.runtime, disarm)
  }

  cancel(ticker: Ticker): void {
    this.tickers.remove(ticker)
    this.arm()
  }

  private takeThoseDue(): void {
    const now = this.time.read().monotonic
    for (let { first } = this.tickers; first !== undefined && first.key <= now; { first } = this.tickers) {
      this.tickers.remove(first)
      this.due.push(first)
    }
    this.due.reverse()
  }

  private readonly tickEach: Effect.Effect<void> = Effect.suspend(() => {
    const ticker = this.due.pop()
    if (ticker === undefined) return Effect.void
    return Effect.flatMap(Random.next, (chance) => {
      ticker.machine.tick(this.time.read(), chance)
      return this.tickEach
    })
  })

  private ticked(): void {
    // a tick has thrown; the others are still due
    for (const ticker of this.due) if (ticker.heapIndex < 0) this.tickers.add(ticker)
    this.due = []
    this.isTicking = false
    this.wakesAt = Infinity
    this.arm()
  }

  /** With many machines, the sleeper may wake before the next tick, and sleep again. */
  private arm(): void {
    if (this.isTicking) return
    const { first } = this.tickers
    if (first === undefined) {
      this.wakesAt = Infinity
      this.sleeper.cancel()
    } else if (first.key < this.wakesAt) {
      this.wakesAt = first.key
      this.sleeper.sleep(first.key - this.time.read().monotonic)
    }
  }
}

/** The ticks of one machine. `key`: when the next is due. */
export class Ticker implements HeapNode {
  key = Infinity
  heapIndex = -1
  heapTurn = 0
  readonly machine: Ticking
  private readonly ticks: Ticks

  constructor(machine: Ticking, ticks: Ticks) {
    this.machine = machine
    this.ticks = ticks
  }

  wakeAt(at: number): void {
    this.ticks.set(this, at)
  }

  /** Cancels the tick when the fibers that run now are done: a new borrow may make something due. */
  rest(): void {
    this.ticks.rest(this)
  }

  cancel(): void {
    this.ticks.cancel(this)
  }
}
