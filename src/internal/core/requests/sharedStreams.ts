import { type Moment, type RequestMachineOptions, writeTime } from "./requestCommands.js"
import type { SharedRequest, SharedStream, SharedStreamFacts } from "./sharedStream.js"

/** The streams that the pool has, in the order in which they came, and questions about them. It changes only the list. */
export class SharedStreams<Facts extends SharedStreamFacts<any>> {
  private readonly options: RequestMachineOptions
  private readonly all: Array<SharedStream<Facts>> = []

  constructor(options: RequestMachineOptions) {
    this.options = options
  }

  [Symbol.iterator](): Iterator<SharedStream<Facts>> {
    return this.all[Symbol.iterator]()
  }

  /** A copy, for loops that remove streams. */
  get copy(): ReadonlyArray<SharedStream<Facts>> {
    return [...this.all]
  }

  get size(): number {
    return this.all.length
  }

  add(stream: SharedStream<Facts>): void {
    this.all.push(stream)
  }

  remove(stream: SharedStream<Facts>): void {
    this.all.splice(this.all.indexOf(stream), 1)
  }

  /** The first stream with room: few streams have larger batches. */
  choose(request: SharedRequest): SharedStream<Facts> | undefined {
    for (const stream of this.all) if (this.hasRoom(stream, request)) return stream
    return undefined
  }

  private hasRoom(stream: SharedStream<Facts>, request: SharedRequest): boolean {
    if (!stream.hasRoom || this.placesOn(stream) === 0) return false
    const bytes = stream.unwritten + stream.batchSize
    return bytes === 0 || bytes + request.size <= this.options.maxBatch
  }

  /** How many more requests may be in flight. */
  private placesOn(stream: SharedStream<Facts>): number {
    if (stream.state !== "Open") return 0
    // without ids, a forgotten request keeps its place until its answer has passed
    const taken = stream.live + (this.options.correlate ? 0 : stream.forgotten)
    return Math.max(0, this.options.maxInFlight - taken)
  }

  /** How many waiting requests will find places when the writes under way are completed, which takes a moment. */
  expected(now: Moment): number {
    let count = 0
    for (const stream of this.all) {
      const places = this.placesOn(stream)
      if (places === 0) continue
      if (stream.reliedUntil === Infinity) stream.reliedUntil = now.monotonic + writeTime
      if (now.monotonic < stream.reliedUntil) count += places
    }
    return count
  }

  /** When waiting requests no longer rely on a stream. */
  reliedUntil(now: Moment): number {
    let at = Infinity
    for (const stream of this.all) {
      if (this.placesOn(stream) > 0 && stream.reliedUntil > now.monotonic) at = Math.min(at, stream.reliedUntil)
    }
    return at
  }

  /** The streams without requests. */
  get unused(): ReadonlyArray<SharedStream<Facts>> {
    return this.all.filter(({ live }) => live === 0)
  }

  /** The number of streams that take requests. */
  get open(): number {
    let count = 0
    for (const { state } of this.all) if (state === "Open") count++
    return count
  }

  /** The number of streams with requests. */
  get busy(): number {
    let count = 0
    for (const { live } of this.all) if (live > 0) count++
    return count
  }

  /** The number of requests that have a stream and a caller. */
  get inFlight(): number {
    let count = 0
    for (const { live } of this.all) count += live
    return count
  }

  get forgotten(): number {
    let count = 0
    for (const { forgotten } of this.all) count += forgotten
    return count
  }

  /** When the first unused stream goes back. */
  get dueAt(): number {
    let at = Infinity
    for (const { idleUntil } of this.all) at = Math.min(at, idleUntil)
    return at
  }
}
