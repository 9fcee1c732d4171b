import type { RequestMachineOptions } from "./requestCommands.js"
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
    const { correlate, maxBatch, maxInFlight } = this.options
    if (stream.state !== "Open" || !stream.hasRoom) return false
    // without ids, a forgotten request keeps its place until its answer has passed
    if (stream.live + (correlate ? 0 : stream.forgotten) >= maxInFlight) return false
    const bytes = stream.unwritten + stream.batchSize
    return bytes === 0 || bytes + request.size <= maxBatch
  }

  /** A stream in this state that has just become unused. */
  nextUnused(state: "Open" | "Leaving"): SharedStream<Facts> | undefined {
    for (const stream of this.all) {
      if (stream.state !== state || stream.live > 0) continue
      if (state === "Leaving" || stream.idleUntil === Infinity) return stream
    }
    return undefined
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
