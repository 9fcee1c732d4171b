/**
 * The decisions of a request pool: which stream gets the next request, what is written now, what an answer belongs to, and
 * when a stream goes back or is given up. Plain and synchronous: time is an argument, failures are opaque, and the shell
 * performs the machine's commands after the transition.
 */
import { Outbox } from "../outbox.js"
import {
  type FlushTime,
  type GivenBack,
  idleTime,
  type Loss,
  type Moment,
  type RequestCommand,
  RequestCounters,
  type RequestEnd,
  type RequestMachineOptions,
  type StreamSupply
} from "./requestCommands.js"
import {
  maxIds,
  type RequestSession,
  type SharedRequest,
  type SharedStream,
  type SharedStreamFacts
} from "./sharedStream.js"
import { SharedStreams } from "./sharedStreams.js"
import { Silence } from "./silence.js"
import { StreamAsking } from "./streamAsking.js"
import { WaitingRequests } from "./waitingRequests.js"

export class RequestMachine<Facts extends SharedStreamFacts<F>, F> {
  readonly options: RequestMachineOptions
  readonly counters = new RequestCounters()
  state: "Open" | "Draining" | "Closing" | "Closed" = "Open"
  readonly streams: SharedStreams<Facts>
  readonly waiting: WaitingRequests<F>
  readonly asking: StreamAsking
  /** Requests on streams of their own. */
  exclusive = 0
  /** Whether a change of figures ends with a `Changed` command. A request that gets a stream is told with its flush. */
  isObserved = false
  private readonly supply: StreamSupply
  private readonly outbox: Outbox<RequestCommand<F>>
  private readonly silence: Silence
  /** The flushes that are due. */
  private readonly flushes = new Set<FlushTime>()
  private graceUntil = Infinity
  private isDrained = false
  private armedAt = Infinity

  constructor(options: RequestMachineOptions, supply: StreamSupply, perform: (command: RequestCommand<F>) => void) {
    this.options = options
    this.supply = supply
    this.outbox = new Outbox(perform)
    this.streams = new SharedStreams(options)
    this.asking = new StreamAsking(options)
    this.waiting = new WaitingRequests(options, this.counters, this.outbox)
    this.silence = new Silence(options.silenceTimeout)
  }

  // --- requests

  /** The request goes to a stream, or waits for one, or is refused. */
  request(request: SharedRequest, now: Moment): void {
    request.ticket = ++this.counters.begun
    const stream = this.state === "Open" && this.waiting.length === 0 ? this.streams.choose(request) : undefined
    if (stream !== undefined) this.assign(request, stream)
    else if (this.state !== "Open") this.waiting.refuse(request, { _tag: "PoolClosed" })
    else if (this.waiting.isFull) {
      this.waiting.refuse(request, { _tag: "QueueFull" })
      if (this.isObserved) this.settle(now)
    } else {
      this.waiting.add(request, now.monotonic)
      this.settle(now)
    }
    this.outbox.flush()
  }

  /** The caller has left. A request that was not sent leaves no trace; the answer to another one is dropped. */
  abandon(request: SharedRequest, now: Moment): void {
    const { state, stream } = request
    if (state === "Forgotten" || state === "Ended") return
    this.counters.abandoned++
    if (state === "Sent") this.forget(request, stream!)
    else if (state === "Waiting") this.waiting.remove(request)
    else stream!.remove(request)
    if (state !== "Sent") request.state = "Ended"
    this.settle(now)
  }

  private forget(request: SharedRequest, stream: SharedStream<any>): void {
    stream.forget(request)
    const isFull = this.options.correlate && stream.forgotten >= this.options.maxInFlight
    if (isFull && stream.state === "Open") stream.state = "Leaving"
  }

  private assign(request: SharedRequest, stream: SharedStream<Facts>): void {
    // a lone request does not wait for others
    const when = stream.live === 0 ? "Now" : "EndOfTurn"
    stream.add(request)
    if (stream.nextId + stream.batch.length >= maxIds) stream.state = "Leaving"
    if (this.flushes.has("Now") || this.flushes.has(when)) return
    this.flushes.add(when)
    this.outbox.push({ _tag: "Flush", when })
  }

  /** Waiting requests go to streams with room, the oldest first. */
  private serve(now: Moment): void {
    for (let first = this.waiting.first; first !== undefined; first = this.waiting.first) {
      const stream = this.streams.choose(first)
      if (stream === undefined) break
      this.waiting.remove(first)
      this.assign(first, stream)
    }
    this.wantStreams(now)
  }

  /** Asks for as many streams as the waiting requests fill. */
  private wantStreams(now: Moment): void {
    for (let n = this.asking.missing(this.waiting.length, this.streams, now); n > 0; n--) {
      this.asking.asked++
      this.outbox.push({ _tag: "OpenStream" })
    }
  }

  // --- streams

  /** `isLeaving`: the stream is in its last use, and serves only the requests that wait for it. */
  opened(stream: SharedStream<Facts>, isLeaving: boolean, now: Moment): void {
    this.asking.came()
    this.streams.add(stream)
    this.serve(now)
    if (isLeaving && stream.state === "Open") stream.state = "Leaving"
    this.settle(now)
  }

  /** While other streams serve the requests, a failure only delays the next opening. */
  openFailed(failure: F, now: Moment): void {
    this.asking.asked--
    if (this.streams.open > 0 || this.asking.asked > 0) this.asking.delay(now)
    else this.waiting.refuseAll({ _tag: "NoStream", failure })
    this.settle(now)
  }

  /** The stream takes no new requests, and goes back when it is empty. */
  leave(stream: SharedStream<Facts>, now: Moment): void {
    if (stream.state !== "Open") return
    stream.state = "Leaving"
    this.settle(now)
  }

  /** The stream is broken, or finished, or its peer does not keep to the protocol. */
  lost(stream: SharedStream<Facts>, failure: F, now: Moment): void {
    if (stream.state === "Over") return
    this.giveUp(stream, { _tag: "Broken", failure }, "Spoiled", now)
    this.settle(now)
  }

  /** Requests that were not sent wait again. */
  private giveUp(stream: SharedStream<Facts>, loss: Loss<F>, how: GivenBack, now: Moment): void {
    for (let last = stream.batch.last; last !== undefined; last = stream.batch.last) {
      stream.remove(last)
      if (this.state === "Closing") this.waiting.refuse(last, { _tag: "PoolClosed" })
      else this.waiting.addAgain(last, now.monotonic)
    }
    for (const request of stream.sent) {
      const isAwaited = request.state === "Sent"
      this.answered(stream, request)
      if (!isAwaited) continue
      this.counters.failures++
      this.outbox.push({ _tag: "Fail", request, loss })
    }
    this.giveBack(stream, how)
  }

  private giveBack(stream: SharedStream<Facts>, how: GivenBack): void {
    stream.state = "Over"
    this.streams.remove(stream)
    this.outbox.push({ _tag: "GiveBack", stream, how })
  }

  /** A stream without requests goes back: at once, if it takes no more or only others want it; otherwise later. */
  private restUnused(now: Moment): void {
    for (const stream of this.streams.unused) {
      // while requests wait, a stream without requests is about to have room
      const isLeft = this.waiting.length === 0 && (this.state !== "Open" || this.supply.isWanted)
      if (isLeft || stream.state === "Leaving") this.endRest(stream)
      else if (stream.idleUntil === Infinity) stream.idleUntil = now.monotonic + idleTime
    }
  }

  /** A stream that may still bring answers is of no use to others. */
  private endRest(stream: SharedStream<Facts>): void {
    const how = stream.forgotten > 0 ? "Spoiled" : "Clean"
    for (const request of stream.sent) this.answered(stream, request)
    this.giveBack(stream, how)
  }

  /** Other borrowers have begun to wait, or the pool of the streams drains. */
  demandChanged(now: Moment): void {
    if (!this.supply.isOpen) { for (const stream of this.streams) stream.state = "Leaving" }
    this.settle(now)
  }

  // --- writes

  /** Writes the batches of all streams. */
  flush(when: FlushTime, now: Moment): void {
    this.flushes.delete(when)
    const batched = this.streams.copy.filter(({ batch }) => batch.length > 0)
    for (const stream of batched) if (stream.facts.refusal === undefined) this.write(stream, now)
    // broken streams come last: a session that owes answers before and after this step does so all the time
    for (const stream of batched) {
      const { refusal } = stream.facts
      if (refusal !== undefined) this.giveUp(stream, { _tag: "Broken", failure: refusal }, "Spoiled", now)
    }
    this.settle(now)
  }

  private write(stream: SharedStream<Facts>, now: Moment): void {
    for (const request of stream.takeChanged()) this.waiting.refuse(request, { _tag: "Changed" })
    if (stream.batch.length === 0) return
    const size = stream.batchSize
    const requests = stream.send(this.options.correlate)
    // until the shell says so
    stream.hasRoom = false
    this.counters.wrote(requests.length, this.streams.inFlight)
    this.silence.owes(stream.facts.session, requests.length, now)
    this.outbox.push({ _tag: "Write", stream, requests, size })
  }

  /** The transport has the bytes of a write. `hasRoom`: it takes another one. */
  handedOver(stream: SharedStream<Facts>, hasRoom: boolean, now: Moment): void {
    stream.hasRoom = hasRoom
    if (hasRoom && this.waiting.length > 0) this.settle(now)
  }

  /** The transport has completed a write, and takes another one. */
  written(stream: SharedStream<Facts>, size: number, now: Moment): void {
    stream.unwritten -= size
    stream.hasRoom = true
    stream.reliedUntil = Infinity
    if (this.waiting.length > 0) this.settle(now)
  }

  // --- answers

  /**
   * An answer came: the first in turn, if it has no id. `Drop`: no caller waits for it. `Unknown`: the peer answers a
   * request that it never got. Otherwise it belongs to the request. If that has many answers, `lastAnswer` follows the last;
   * and if the request is forgotten by then, nobody wants the answer. `read` follows the answers that came together.
   */
  answer(stream: SharedStream<Facts>, id: number | undefined, size: number): SharedRequest | "Drop" | "Unknown" {
    const request = id === undefined ? stream.inTurn.first : stream.byId.get(id)
    if (request === undefined) {
      if (id === undefined || id >= stream.nextId) return "Unknown"
      this.counters.late++
      return "Drop"
    }
    const isAwaited = request.state === "Sent"
    if (!isAwaited) this.counters.late++
    if (request.answers === "Many") {
      if (isAwaited) this.buffer(request, size, stream)
      return request
    }
    if (isAwaited) this.counters.answered++
    this.answered(stream, request)
    return isAwaited ? request : "Drop"
  }

  private buffer(request: SharedRequest, size: number, stream: SharedStream<Facts>): void {
    if (request.buffer(size) <= this.options.maxBuffered) return
    this.counters.failures++
    this.forget(request, stream)
    this.outbox.push({ _tag: "Fail", request, loss: { _tag: "Overflow" } })
  }

  /** The latest answer was the last one of the request. */
  lastAnswer(stream: SharedStream<Facts>, request: SharedRequest): void {
    if (request.state === "Sent") this.counters.answered++
    if (request.state === "Sent" || request.state === "Forgotten") this.answered(stream, request)
  }

  private answered(stream: SharedStream<Facts>, request: SharedRequest): void {
    stream.endRequest(request)
    this.silence.answered(stream.facts.session)
  }

  /** All answers of a chunk were handled. */
  read(now: Moment): void {
    this.settle(now)
  }

  // --- silence

  /** Answers `Ping`. A session that answered nothing loses its streams. */
  pinged(session: RequestSession, isAlive: boolean, now: Moment): void {
    if (this.silence.pinged(session, isAlive, now.monotonic)) {
      const lost = this.streams.copy.filter(({ facts }) => facts.session === session)
      for (const stream of lost) this.giveUp(stream, { _tag: "Silent" }, "Silent", now)
      if (this.exclusive > 0) this.outbox.push({ _tag: "EndExclusive", silent: session })
    }
    this.settle(now)
  }

  // --- requests on streams of their own

  /** Whether the request may take a stream of its own. `endExclusive` follows. */
  beginExclusive(): boolean {
    this.counters.begun++
    const mayBegin = this.state === "Open"
    if (mayBegin) this.exclusive++
    else this.counters.failures++
    return mayBegin
  }

  /** The request has its stream. */
  lentExclusive(session: RequestSession, now: Moment): void {
    this.silence.owes(session, 1, now)
    this.settle(now)
  }

  /** `session`: of its stream, if it had one. */
  endExclusive(how: RequestEnd, session: RequestSession | undefined, now: Moment): void {
    this.exclusive--
    this.counters[how]++
    if (session !== undefined) this.silence.answered(session)
    this.settle(now)
  }

  // --- the end

  /** No new requests; those that wait are served. */
  drain(now: Moment): void {
    if (this.state === "Open") this.state = "Draining"
    this.settle(now)
  }

  /** Requests that wait are refused; those in flight have `shutdownGrace`. */
  close(now: Moment): void {
    if (this.state === "Closing" || this.state === "Closed") return
    this.state = "Closing"
    this.graceUntil = now.monotonic + this.options.shutdownGrace
    this.waiting.refuseAll({ _tag: "PoolClosed" })
    if (this.options.shutdownGrace === 0) this.endGrace(now)
    this.settle(now)
  }

  private endIfOver(): void {
    if (this.state === "Open" || this.state === "Closed") return
    if (this.waiting.length > 0 || this.streams.inFlight > 0 || this.exclusive > 0) return
    if (!this.isDrained) this.outbox.push({ _tag: "Drained" })
    this.isDrained = true
    if (this.state === "Draining") return
    this.state = "Closed"
    this.outbox.push({ _tag: "Closed" })
  }

  private endGrace(now: Moment): void {
    this.graceUntil = Infinity
    for (const stream of this.streams.copy) this.giveUp(stream, { _tag: "GraceOver" }, "Spoiled", now)
    if (this.exclusive > 0) this.outbox.push({ _tag: "EndExclusive", silent: undefined })
  }

  // --- time

  tick(now: Moment): void {
    this.armedAt = Infinity
    const time = now.monotonic
    this.waiting.refuseLate(time)
    for (const stream of this.streams.copy) if (stream.idleUntil <= time) this.endRest(stream)
    for (const session of this.silence.takeSilent(time)) this.outbox.push({ _tag: "Ping", session })
    if (this.graceUntil <= time) this.endGrace(now)
    this.settle(now)
  }

  private settle(now: Moment): void {
    this.restUnused(now)
    this.serve(now)
    this.restUnused(now)
    this.endIfOver()
    this.arm(now)
    if (this.isObserved) this.outbox.push({ _tag: "Changed" })
    this.outbox.flush()
  }

  private arm(now: Moment): void {
    const at = Math.min(
      this.waiting.dueAt,
      this.streams.dueAt,
      this.silence.dueAt,
      this.graceUntil,
      this.waiting.length > 0 ? Math.min(this.asking.dueAt(now), this.streams.reliedUntil(now)) : Infinity
    )
    // an early `tick` is harmless, and sets the alarm again
    if (at >= this.armedAt || this.state === "Closed") return
    this.armedAt = at
    this.outbox.push({ _tag: "WakeAt", at })
  }
}
