/** The fibers that borrow streams and send requests. */
import { Effect } from "effect"
import type { Meter } from "./meter.js"
import { checkAnswer, echo, type Pools } from "./pools.js"

/** On shared streams, one request in so many is given up after a moment: its answer comes late. */
const impatient = 50

export class Load {
  fibers = 0
  /** Bytes. */
  size = 100
  /** Milliseconds between an answer and the next request, give or take a half. */
  think = 0
  /** Whether requests share streams. */
  isShared = false
  private readonly pools: Pools
  private readonly meter: Meter
  private readonly running = new Set<number>()
  private requests = 0

  constructor(pools: Pools, meter: Meter) {
    this.pools = pools
    this.meter = meter
  }

  /** Starts the missing fibers; surplus fibers end after their request. */
  readonly start = Effect.suspend(() => {
    const missing = Array.from({ length: this.fibers }, (_, id) => id).filter((id) => !this.running.has(id))
    return Effect.forEach(missing, (id) => {
      this.running.add(id)
      return Effect.forkDaemon(this.fiber(id))
    }, { discard: true })
  })

  private fiber(id: number) {
    return Effect.gen(this, function*() {
      while (id < this.fibers) {
        yield* this.request
        if (this.think > 0) yield* Effect.sleep(this.think * (0.5 + Math.random()))
      }
      this.running.delete(id)
    })
  }

  private readonly request = Effect.suspend(() => {
    const message = new Uint8Array(this.size).fill(++this.requests)
    return this.isShared ? this.share(message) : this.borrow(message)
  })

  private share(message: Uint8Array) {
    const request = Effect.flatMap(this.pools.requests.request(message), checkAnswer(message))
    if (this.requests % impatient === 0) return Effect.ignore(Effect.timeout(request, "1 millis"))
    return Effect.flatMap(
      Effect.isSuccess(Effect.timeout(request, "2 seconds")),
      (isAnswered) => this.ended(undefined, isAnswered)
    )
  }

  private borrow(message: Uint8Array) {
    const asked = performance.now()
    let lent: number | undefined
    return this.pools.streams.use((stream) => {
      lent = performance.now()
      return echo(message)(stream)
    }).pipe(
      Effect.timeout("2 seconds"),
      Effect.isSuccess,
      Effect.flatMap((isAnswered) => this.ended((lent ?? performance.now()) - asked, isAnswered))
    )
  }

  private ended(wait: number | undefined, isAnswered: boolean) {
    this.meter.add(wait, isAnswered)
    return isAnswered ? Effect.void : Effect.sleep("50 millis")
  }
}
