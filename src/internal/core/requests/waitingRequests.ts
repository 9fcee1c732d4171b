import { LinkedList } from "../linkedList.js"
import type { Outbox } from "../outbox.js"
import type { Refusal, RequestCommand, RequestCounters, RequestEnd, RequestMachineOptions } from "./requestCommands.js"
import type { SharedRequest } from "./sharedStream.js"

const endOf: Record<Refusal<unknown>["_tag"], RequestEnd> = {
  QueueFull: "rejections",
  AcquireTimeout: "timeouts",
  NoStream: "failures",
  PoolClosed: "failures",
  Changed: "failures"
}

/** The requests that wait for a stream with room, the oldest first. */
export class WaitingRequests<F> {
  private readonly options: RequestMachineOptions
  private readonly counters: RequestCounters
  private readonly outbox: Outbox<RequestCommand<F>>
  private readonly list = new LinkedList<SharedRequest>()
  /** Requests that wait for a stream of their own. */
  alone = 0

  constructor(options: RequestMachineOptions, counters: RequestCounters, outbox: Outbox<RequestCommand<F>>) {
    this.options = options
    this.counters = counters
    this.outbox = outbox
  }

  get length(): number {
    return this.list.length
  }

  get first(): SharedRequest | undefined {
    return this.list.first
  }

  get isFull(): boolean {
    return this.list.length + this.alone >= this.options.maxWaiters
  }

  /** Whether a request may wait for a stream of its own. `endAlone` follows. */
  beginAlone(): boolean {
    if (this.isFull) return false
    this.alone++
    return true
  }

  endAlone(): void {
    this.alone--
  }

  /** When the oldest request has waited for too long. */
  get dueAt(): number {
    return this.list.first?.deadline ?? Infinity
  }

  add(request: SharedRequest, now: number): void {
    request.since = now
    request.deadline = now + this.options.acquireTimeout
    this.list.push(request)
  }

  /** A request that had a stream waits again, before all that came after it. */
  addAgain(request: SharedRequest, now: number): void {
    request.state = "Waiting"
    let next = this.list.first
    while (next !== undefined && next.ticket < request.ticket) next = next.next
    if (request.deadline === Infinity) {
      request.since = next?.since ?? now
      request.deadline = request.since + this.options.acquireTimeout
    }
    this.list.insert(request, next)
    // what came before it has not waited for less
    for (let earlier = request.previous; earlier !== undefined; earlier = earlier.previous) {
      if (earlier.deadline <= request.deadline) break
      earlier.since = request.since
      earlier.deadline = request.deadline
    }
  }

  remove(request: SharedRequest): void {
    this.list.remove(request)
  }

  refuse(request: SharedRequest, refusal: Refusal<F>): void {
    this.list.remove(request)
    request.state = "Ended"
    this.counters[endOf[refusal._tag]]++
    this.outbox.push({ _tag: "Refuse", request, refusal })
  }

  refuseAll(refusal: Refusal<F>): void {
    for (let first = this.first; first !== undefined; first = this.first) this.refuse(first, refusal)
  }

  refuseLate(now: number): void {
    for (let first = this.first; first !== undefined && first.deadline <= now; first = this.first) {
      this.refuse(first, { _tag: "AcquireTimeout" })
    }
  }
}
