import { LinkedList } from "../linkedList.js"
import type { Outbox } from "../outbox.js"
import type { LaneStream } from "./sessionLane.js"
import type { StreamCommand, StreamRefusal, StreamRequest } from "./streamCommands.js"

/** The waiting requests, oldest first, and the spare streams: they came when no request waited. */
export class RequestQueue<F> {
  private readonly outbox: Outbox<StreamCommand<F>>
  private readonly waiting = new LinkedList<StreamRequest>()
  private readonly spare = new LinkedList<LaneStream<any, any>>()

  constructor(outbox: Outbox<StreamCommand<F>>) {
    this.outbox = outbox
  }

  get length(): number {
    return this.waiting.length
  }

  /** The number of requests whose borrower waits for that very stream. */
  get personal(): number {
    let count = 0
    for (let request = this.waiting.first; request !== undefined; request = request.next) {
      if (request.isPersonal) count++
    }
    return count
  }

  add(request: StreamRequest): void {
    this.waiting.push(request)
  }

  /** Returns the stream that was granted, if any. */
  abandon(request: StreamRequest): LaneStream<any, any> | undefined {
    this.waiting.remove(request)
    const { state, stream } = request
    request.state = "Abandoned"
    return state === "Granted" ? stream : undefined
  }

  /** The oldest request gets the stream. */
  grant(stream: LaneStream<any, any>): void {
    const request = this.waiting.first!
    this.waiting.remove(request)
    request.state = "Granted"
    request.stream = stream
    stream.state = "Open"
    this.outbox.push({ _tag: "Grant", request, stream })
  }

  refuseFirst(refusal: StreamRefusal<F>): void {
    const request = this.waiting.first!
    this.waiting.remove(request)
    request.state = "Refused"
    this.outbox.push({ _tag: "Refuse", request, refusal })
  }

  refuseAll(refusal: StreamRefusal<F>): void {
    while (this.waiting.length > 0) this.refuseFirst(refusal)
  }

  addSpare(stream: LaneStream<any, any>): void {
    stream.state = "Spare"
    this.spare.push(stream)
  }

  /** Takes a spare stream, if a request waits. */
  takeSpare(): LaneStream<any, any> | undefined {
    const stream = this.waiting.length > 0 ? this.spare.first : undefined
    if (stream !== undefined) this.removeSpare(stream)
    return stream
  }

  isSpare(stream: LaneStream<any, any>): boolean {
    return stream.list === this.spare
  }

  removeSpare(stream: LaneStream<any, any>): void {
    this.spare.remove(stream)
  }
}
