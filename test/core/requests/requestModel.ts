/**
 * The environment of a request machine, in the plainest form: requests, streams and sessions are records in arrays. It
 * performs the commands, keeps its own books about what was sent and what is owed, and judges each command and each state by
 * them.
 */
import { assert } from "vitest"
import {
  idleTime,
  lastPause,
  type RequestCommand,
  type RequestEnd,
  type RequestMachineOptions
} from "../../../src/internal/core/requests/requestCommands.js"
import { RequestMachine } from "../../../src/internal/core/requests/requestMachine.js"
import { type RequestSession, SharedRequest, SharedStream } from "../../../src/internal/core/requests/sharedStream.js"

export const ensure: (holds: boolean, rule: string) => asserts holds = (holds, rule) => {
  if (!holds) assert.fail(rule)
}

export interface Surroundings {
  readonly options: RequestMachineOptions
  /** How many writes a stream takes before one is completed. */
  readonly writeRoom: number
}

export class ModelSession implements RequestSession {
  bytesReceived = 0
  isPinged = false
  receivedAtPing = 0
  heardAt = -Infinity
  /** When the session began to owe answers, or its latest bytes or pong came, whichever is later. */
  silentSince = 0
}

export class ModelStream {
  readonly id: number
  readonly session: ModelSession
  readonly record: SharedStream<ModelStream>
  refusal: string | undefined = undefined
  isBack = false
  isLeaving = false
  /** The sizes of the writes that the transport has not completed. */
  writes: Array<number> = []
  /** The requests that were sent and have not had their last answer, in order. */
  owed: Array<ModelRequest> = []
  idleSince = -1

  constructor(id: number, session: ModelSession) {
    this.id = id
    this.session = session
    this.record = new SharedStream<ModelStream>(this)
  }
}

type Outcome = "none" | "answered" | "refused" | "failed" | "abandoned"

export class ModelRequest extends SharedRequest {
  readonly number: number
  outcome: Outcome = "none"
  wasSent = false
  hasCaller = true
  firstStream: unknown = undefined

  constructor(number: number, size: number, answers: "One" | "Many") {
    super(size, answers)
    this.number = number
  }
}

export class World {
  now = { monotonic: 0 }
  readonly machine: RequestMachine<ModelStream, string>
  readonly requests: Array<ModelRequest> = []
  streams: Array<ModelStream> = []
  readonly sessions: ReadonlyArray<ModelSession> = [new ModelSession(), new ModelSession()]
  openings = 0
  /** The flushes that are due. */
  flushes: Array<"Now" | "EndOfTurn"> = []
  isWanted = false
  isOpen = true
  exclusive = 0
  /** All that began, also those that were refused. */
  exclusives = 0
  /** Those of them that wait for their stream. */
  alone = 0
  /** The sessions of the streams of the others. */
  lent: Array<ModelSession> = []
  /** The session that a ping has just found silent. */
  private silent: ModelSession | undefined = undefined
  armed = Infinity
  pings: Array<ModelSession> = []
  isDrained = false
  isClosed = false
  isExclusiveEnded = false
  graceUntil = Infinity
  private opened = 0
  readonly log: Array<string> = []
  readonly setting: Surroundings

  constructor(setting: Surroundings) {
    this.setting = setting
    const isOpen = () => this.isOpen
    const isWanted = () => this.isWanted
    const supply = {
      get isOpen() {
        return isOpen()
      },
      get isWanted() {
        return isWanted()
      }
    }
    this.machine = new RequestMachine<ModelStream, string>(setting.options, supply, (command) => this.perform(command))
  }

  private get options(): RequestMachineOptions {
    return this.setting.options
  }

  get held(): ReadonlyArray<ModelStream> {
    return this.streams.filter(({ isBack }) => !isBack)
  }

  private inState(state: string): Array<ModelRequest> {
    return this.requests.filter((request) => request.state === state)
  }

  /** The waiting requests as the machine has them. */
  private get queue(): Array<ModelRequest> {
    const queue: Array<ModelRequest> = []
    for (let r = this.machine.waiting.first; r !== undefined; r = r.next) queue.push(r as ModelRequest)
    return queue
  }

  // --- the rules

  private callersOn(stream: ModelStream): number {
    return this.requests.filter((r) =>
      r.stream === stream.record && (r.state === "Batched" || (r.state === "Sent" && r.hasCaller))
    ).length
  }

  private forgottenOn(stream: ModelStream): number {
    return stream.owed.filter(({ hasCaller }) => !hasCaller).length
  }

  private batchOf(stream: ModelStream): Array<ModelRequest> {
    return this.requests.filter((r) => r.stream === stream.record && r.state === "Batched")
  }

  /** By the books. */
  private hasRoom(stream: ModelStream, size: number): boolean {
    if (stream.isBack || stream.isLeaving || stream.writes.length >= this.setting.writeRoom) return false
    const { correlate, maxBatch, maxInFlight } = this.options
    const places = this.callersOn(stream) + (correlate ? 0 : this.forgottenOn(stream))
    if (places >= maxInFlight) return false
    const bytes = stream.writes.reduce((sum, n) => sum + n, 0) +
      this.batchOf(stream).reduce((sum, r) => sum + r.size, 0)
    return bytes === 0 || bytes + size <= maxBatch
  }

  judge(): void {
    const { correlate, maxInFlight } = this.options
    for (const stream of this.held) if (correlate && this.forgottenOn(stream) >= maxInFlight) stream.isLeaving = true
    this.judgeRequests()
    this.judgeOrder()
    for (const stream of this.held) this.judgeStream(stream)
    this.judgeNumberOfStreams()
    this.judgeSilence()
    this.judgeCounters()
    this.judgeEnd()
  }

  private judgeRequests(): void {
    const { options, queue } = this
    for (const [i, request] of queue.entries()) {
      ensure(request.state === "Waiting", "a request in the queue that does not wait")
      ensure(i === 0 || queue[i - 1]!.number < request.number, "a request waits behind a younger one")
    }
    ensure(this.inState("Waiting").length === queue.length, "a waiting request outside the queue")
    ensure(queue.length <= options.maxWaiters + 2 * options.maxStreams * options.maxInFlight, "too many requests wait")
    for (const request of this.requests) {
      const isOver = request.outcome !== "none"
      ensure(isOver || request.state !== "Ended", `request ${request.number} ended without an outcome`)
      ensure(!isOver || request.state === "Ended" || request.state === "Forgotten", "an outcome for a live request")
      if (request.state === "Waiting") ensure(this.armed <= request.deadline, "a deadline that nothing wakes for")
    }
  }

  /** No request waits without a reason, and none is overtaken on its way to its first stream. */
  private judgeOrder(): void {
    const [first] = this.queue
    const batched = this.inState("Batched")
    for (const request of batched) request.firstStream ??= request.stream
    ensure(batched.length === 0 || this.flushes.length > 0, "a batch that nothing writes")
    if (first === undefined) return
    ensure(!this.held.some((stream) => this.hasRoom(stream, first.size)), "a request waits though a stream has room")
    const isOvertaken = batched.some(({ number }) => number > first.number)
    ensure(!isOvertaken || first.firstStream !== undefined, "a younger request is in a batch")
  }

  private judgeNumberOfStreams(): void {
    const { held, isClosed, openings } = this
    const { maxStreams } = this.options
    const open = held.filter(({ isLeaving }) => !isLeaving).length
    ensure(isClosed || open + openings <= maxStreams, "too many streams")
    ensure(held.length <= 2 * maxStreams, "too many streams, with those that leave")
    ensure(this.machine.streams.size === held.length, "the machine knows its streams")
    if (this.queue.length > 0 && open < maxStreams && held.length < 2 * maxStreams) {
      ensure(openings > 0 || this.armed <= this.now.monotonic + lastPause, "a request waits for nothing")
    }
  }

  private judgeStream(stream: ModelStream): void {
    const { id, owed, record } = stream
    const { maxInFlight } = this.options
    const callers = this.callersOn(stream)
    ensure(record.live === callers, `stream ${id}: ${callers} callers, not ${record.live}`)
    ensure(callers <= maxInFlight, "more in flight than allowed")
    const forgotten = this.forgottenOn(stream)
    ensure(record.forgotten === forgotten, `stream ${id}: ${forgotten} forgotten`)
    ensure(forgotten <= 2 * maxInFlight, "more forgotten than allowed")
    ensure(owed.length <= 2 * maxInFlight, "the peer has more than twice as many as may be in flight")
    ensure((record.state === "Leaving") === stream.isLeaving, `stream ${id} leaves, or does not`)
    if (callers > 0) stream.idleSince = -1
    else this.judgeEmpty(stream)
  }

  private judgeEmpty(stream: ModelStream): void {
    if (stream.idleSince === -1) stream.idleSince = this.now.monotonic
    ensure(!stream.isLeaving, "an empty stream that takes no requests is kept")
    ensure(this.armed <= stream.idleSince + idleTime, "an empty stream is kept for ever")
    if (this.queue.length > 0) return
    ensure(!this.isWanted, "an empty stream is kept though others want it")
    ensure(this.machine.state === "Open", "an empty stream is kept by a pool that closes")
  }

  private owes(session: ModelSession): boolean {
    return this.lent.includes(session) ||
      this.held.some((stream) => stream.session === session && stream.owed.length > 0)
  }

  private judgeSilence(): void {
    const { silenceTimeout } = this.options
    for (const session of this.sessions) {
      if (!this.owes(session) || silenceTimeout === Infinity || session.isPinged) continue
      ensure(this.armed <= session.silentSince + silenceTimeout, "silence that nothing notices")
    }
  }

  /** Every request that began has ended in one figure, or is live. */
  private judgeCounters(): void {
    const { abandoned, answered, begun, failures, rejections, timeouts } = this.machine.counters
    const { inFlight } = this.machine.streams
    const live = this.queue.length + inFlight + this.exclusive
    const ended = answered + failures + timeouts + rejections + abandoned
    ensure(begun === this.requests.length + this.exclusives, "a request that began is not counted")
    ensure(begun === live + ended, `${begun} requests began, ${live} are live, ${ended} have ended`)
  }

  private judgeEnd(): void {
    const { state } = this.machine
    const callers = this.held.reduce((sum, stream) => sum + this.callersOn(stream), 0)
    const isOver = this.queue.length === 0 && callers === 0 && this.exclusive === 0
    if (isOver && state !== "Open") {
      ensure(this.isDrained, "a drained pool says so")
      ensure(state !== "Closing", "a pool with nothing left is closed")
    }
    if (this.isClosed) ensure(isOver && this.held.length === 0, "a closed pool has something left")
  }

  // --- commands

  private perform(command: RequestCommand<string>): void {
    this.log.push(command._tag)
    switch (command._tag) {
      case "OpenStream":
        ensure(!this.isClosed, "a closed pool asks for a stream")
        this.openings++
        return
      case "Flush":
        ensure(!this.flushes.includes(command.when), "a flush is asked for twice")
        this.flushes.push(command.when)
        return
      case "Write": {
        const stream = command.stream.facts as ModelStream
        ensure(!stream.isBack, "a write on a stream that was given back")
        ensure(stream.refusal === undefined, "a write on a broken stream")
        ensure(command.requests.length > 0, "an empty write")
        ensure(stream.writes.length < this.setting.writeRoom, "a write without room")
        let size = 0
        let latest = -1
        for (const request of command.requests as ReadonlyArray<ModelRequest>) {
          ensure(!request.wasSent, `request ${request.number} is sent twice`)
          ensure(request.hasCaller, `request ${request.number} is sent for nobody`)
          ensure(
            request.number > latest || request.firstStream !== stream.record,
            "a request is overtaken within a batch"
          )
          ensure(
            request.id === stream.record.nextId - command.requests.length + command.requests.indexOf(request),
            "ids"
          )
          latest = Math.max(latest, request.number)
          request.wasSent = true
          stream.owed.push(request)
          size += request.size
        }
        ensure(size === command.size, "the size of a write")
        ensure(command.requests.length === 1 || size <= this.options.maxBatch, "a batch is too large")
        stream.writes.push(size)
        return this.machine.handedOver(stream.record, stream.writes.length < this.setting.writeRoom, this.now)
      }
      case "GiveBack": {
        const stream = command.stream.facts as ModelStream
        ensure(!stream.isBack, "a stream is given back twice")
        ensure(this.callersOn(stream) === 0, "a stream with callers is given back")
        const hasForgotten = stream.owed.some(({ hasCaller, outcome }) => !hasCaller && outcome !== "answered")
        ensure(!(command.how === "Clean" && hasForgotten), "a stream that owes answers is given back as clean")
        if (command.how === "Silent") ensure(this.options.silenceTimeout !== Infinity, "silence is no fault")
        if (command.how === "Spoiled") {
          const isUseless = stream.refusal !== undefined || stream.owed.length > 0
          ensure(isUseless || this.now.monotonic >= this.graceUntil, "a stream like new is given back as spoiled")
        }
        stream.isBack = true
        return
      }
      case "Refuse": {
        const request = command.request as ModelRequest
        ensure(request.outcome === "none", "a request is refused after its end")
        ensure(!request.wasSent, "a request that was sent is refused")
        const { refusal } = command
        switch (refusal._tag) {
          case "QueueFull":
            ensure(this.queue.length + this.alone >= this.options.maxWaiters, "refused though there is a place")
            break
          case "AcquireTimeout":
            ensure(request.since + this.options.acquireTimeout <= this.now.monotonic, "refused too early")
            break
          case "NoStream":
            ensure(this.machine.streams.open === 0, "one failed opening fails a request though a stream is open")
            ensure(this.openings === 0, "a failed opening fails a request though another is under way")
            break
          case "PoolClosed":
            ensure(this.machine.state !== "Open", "an open pool refuses")
        }
        request.outcome = "refused"
        return
      }
      case "Fail": {
        const request = command.request as ModelRequest
        ensure(request.outcome === "none" && request.wasSent, "a request fails that was not sent")
        ensure(request.hasCaller, "a request fails that nobody waits for")
        request.outcome = "failed"
        if (command.loss._tag === "Overflow") {
          ensure(request.buffered > this.options.maxBuffered, "too early an overflow")
          request.hasCaller = false
        } else this.endOwed(request)
        if (command.loss._tag === "GraceOver") ensure(this.now.monotonic >= this.graceUntil, "no grace")
        return
      }
      case "Ping": {
        const session = command.session as ModelSession
        const since = this.now.monotonic - session.silentSince
        ensure(since >= this.options.silenceTimeout, `a ping after ${since} ms`)
        ensure(this.owes(session), "a ping for nothing")
        session.isPinged = true
        session.receivedAtPing = session.bytesReceived
        this.pings.push(session)
        return
      }
      case "EndExclusive":
        ensure(this.exclusive > 0, "nothing to end")
        if (command.silent === undefined) {
          ensure(this.now.monotonic >= this.graceUntil, "no grace for exclusive requests")
          this.isExclusiveEnded = true
        } else {
          ensure(command.silent === this.silent, "a session that lives loses exclusive requests")
          this.silent = undefined
        }
        return
      case "Drained":
        ensure(!this.isDrained, "drained twice")
        ensure(this.queue.length === 0 && this.machine.streams.inFlight === 0, "drained while requests are left")
        this.isDrained = true
        return
      case "Closed":
        ensure(!this.isClosed, "closed twice")
        this.isClosed = true
        this.armed = Infinity
        return
      case "WakeAt":
        ensure(!this.isClosed, "a closed pool is armed")
        ensure(command.at < this.armed, "armed for later")
        this.armed = command.at
    }
  }

  private endOwed(request: ModelRequest): void {
    const stream = request.stream?.facts as ModelStream | undefined
    if (stream !== undefined) stream.owed = stream.owed.filter((other) => other !== request)
  }

  // --- events

  request(size: number, answers: "One" | "Many" = "One"): ModelRequest {
    const request = new ModelRequest(this.requests.length, size, answers)
    this.requests.push(request)
    this.machine.request(request, this.now)
    return request
  }

  abandon(request: ModelRequest): void {
    request.hasCaller = false
    request.outcome = "abandoned"
    const wasSent = request.wasSent
    this.machine.abandon(request, this.now)
    ensure(request.wasSent === wasSent, "an abandoned request is sent")
    if (!wasSent) ensure(request.state === "Ended", "an abandoned request lingers")
  }

  open(session: ModelSession, isLeaving: boolean): void {
    this.openings--
    const stream = new ModelStream(this.opened++, session)
    this.streams.push(stream)
    stream.isLeaving = false
    // in its last use it serves those that wait, as far as there is room, and no others
    const before = this.queue.length
    this.machine.opened(stream.record, isLeaving, this.now)
    stream.isLeaving = isLeaving
    if (isLeaving && before > 0 && !this.isClosed) {
      ensure(this.queue.length < before, "a stream in its last use is of no use")
    }
  }

  openFailed(): void {
    this.openings--
    this.machine.openFailed("no stream", this.now)
  }

  flush(): void {
    const when = this.flushes.shift()!
    for (const session of this.sessions) {
      const isAsked = this.held.some((stream) =>
        stream.session === session && stream.refusal === undefined && this.batchOf(stream).length > 0
      )
      if (isAsked && !this.owes(session)) session.silentSince = this.now.monotonic
    }
    this.machine.flush(when, this.now)
  }

  written(stream: ModelStream): void {
    this.machine.written(stream.record, stream.writes.shift()!, this.now)
  }

  private receive(session: ModelSession): void {
    session.bytesReceived++
    session.heardAt = session.silentSince = this.now.monotonic
  }

  /** The peer answers an owed request. */
  answer(stream: ModelStream, request: ModelRequest, isLast = true, size = 1): void {
    this.receive(stream.session)
    const { hasCaller } = request
    const owner = this.machine.answer(stream.record, this.options.correlate ? request.id : undefined, size)
    // the request has just been forgotten, since its answers are too many
    const forgotten = this.forgottenOn(stream) + (hasCaller && request.state === "Forgotten" ? 1 : 0)
    if (this.options.correlate && forgotten >= this.options.maxInFlight) stream.isLeaving = true
    if (request.answers === "One") {
      ensure(owner === (hasCaller ? request : "Drop"), "an answer reaches its request, or nobody")
      if (hasCaller) request.outcome = "answered"
      this.endOwed(request)
    } else {
      ensure(owner === request, "an answer belongs to another request")
      if (isLast) {
        if (request.state === "Sent") request.outcome = "answered"
        this.machine.lastAnswer(stream.record, request)
        this.endOwed(request)
      }
    }
    this.machine.read(this.now)
  }

  consume(request: ModelRequest): void {
    request.consumed(request.buffered)
    ensure(request.buffered === 0, "a consumer leaves something")
  }

  /** An answer to a request that has had its answer. */
  answerAgain(stream: ModelStream): void {
    this.receive(stream.session)
    const { late } = this.machine.counters
    ensure(this.machine.answer(stream.record, 0, 1) === "Drop", "a second answer is dropped")
    ensure(this.machine.counters.late === late + 1, "a late answer is counted")
    this.machine.read(this.now)
  }

  answerUnknown(stream: ModelStream): void {
    this.receive(stream.session)
    const id = this.options.correlate ? stream.record.nextId : undefined
    ensure(this.machine.answer(stream.record, id, 1) === "Unknown", "a strange answer is noticed")
    this.lose(stream)
  }

  lose(stream: ModelStream): void {
    stream.refusal = "broken"
    this.machine.lost(stream.record, "broken", this.now)
    ensure(stream.isBack, "a broken stream is kept")
  }

  leave(stream: ModelStream): void {
    stream.isLeaving = true
    this.machine.leave(stream.record, this.now)
  }

  demandChanged(): void {
    if (!this.isOpen) { for (const stream of this.held) stream.isLeaving = true }
    this.machine.demandChanged(this.now)
  }

  pinged(isAlive: boolean): void {
    const session = this.pings.shift()!
    const lost = this.held.filter((stream) => stream.session === session && stream.owed.length > 0)
    session.isPinged = false
    const hasHeard = session.bytesReceived > session.receivedAtPing
    const isSilent = !isAlive && !hasHeard
    this.silent = isSilent ? session : undefined
    this.machine.pinged(session, isAlive, this.now)
    const isTold = this.silent === undefined
    ensure(isTold || !this.lent.includes(session), "a silent session keeps its exclusive requests")
    if (isSilent) ensure(lost.every(({ isBack }) => isBack), "a silent session keeps its streams")
    else ensure(lost.every(({ isBack }) => !isBack), "a session that lives loses a stream")
    if (isAlive || isSilent) session.silentSince = this.now.monotonic
  }

  beginExclusive(): void {
    this.exclusives++
    if (this.machine.beginExclusive()) {
      this.exclusive++
      this.lend()
    } else ensure(this.machine.state !== "Open", "an open pool refuses an exclusive request")
  }

  /** The request gets its stream, on one session after the other. */
  private lend(): void {
    const session = this.sessions[this.exclusives % this.sessions.length]!
    if (!this.owes(session)) session.silentSince = this.now.monotonic
    this.lent.push(session)
    this.machine.lentExclusive(session, this.now)
  }

  /** A request wants a stream of its own, and none is ready. */
  beginAlone(): void {
    this.exclusives++
    if (!this.machine.beginExclusive()) return
    this.exclusive++
    const hasPlace = this.queue.length + this.alone < this.options.maxWaiters
    ensure(this.machine.waiting.beginAlone() === hasPlace, "a request waits beyond maxWaiters, or is refused before")
    if (hasPlace) this.alone++
    else this.neverLent("rejections")
  }

  private neverLent(how: RequestEnd): void {
    this.exclusive--
    this.machine.endExclusive(how, undefined, this.now)
  }

  endAlone(): void {
    this.alone--
    this.machine.waiting.endAlone()
    if (this.machine.state === "Open") this.lend()
    else this.neverLent("failures")
  }

  endExclusive(how: RequestEnd = "answered"): void {
    this.exclusive--
    this.machine.endExclusive(how, this.lent.shift(), this.now)
  }

  advance(ms: number): void {
    this.now = { monotonic: this.now.monotonic + ms }
    if (this.armed <= this.now.monotonic) this.wake()
  }

  wake(): void {
    this.now = { monotonic: Math.max(this.now.monotonic, this.armed) }
    this.armed = Infinity
    this.machine.tick(this.now)
    const time = this.now.monotonic
    for (const request of this.queue) ensure(request.deadline > time, "a request waits for too long")
    for (const stream of this.held) {
      const isIdle = stream.idleSince !== -1 && this.callersOn(stream) === 0
      ensure(!isIdle || time < stream.idleSince + idleTime, "an unused stream is kept for too long")
      const { isPinged, silentSince } = stream.session
      const isSilent = stream.owed.length > 0 && silentSince + this.options.silenceTimeout <= time
      ensure(isPinged || !isSilent || stream.isBack, "a session that is silent is pinged at once")
    }
    for (const { isPinged, silentSince } of this.lent) {
      ensure(isPinged || silentSince + this.options.silenceTimeout > time, "its exclusive requests get no ping")
    }
  }

  drain(): void {
    this.machine.drain(this.now)
  }

  close(): void {
    if (this.graceUntil === Infinity) this.graceUntil = this.now.monotonic + this.options.shutdownGrace
    this.machine.close(this.now)
  }

  // --- a kind environment

  /** All openings succeed, all writes are completed, all requests are answered. */
  beKind(): void {
    this.isWanted = false
    for (let round = 0; this.requests.some(({ outcome }) => outcome === "none"); round++) {
      ensure(round < 300, `a request is never answered: ${this.log.slice(-30).join(" ")}`)
      const before = this.log.length
      while (this.openings > 0) this.open(this.sessions[0]!, !this.isOpen)
      while (this.flushes.length > 0) this.flush()
      for (const stream of this.held) {
        while (stream.writes.length > 0) this.written(stream)
        while (!stream.isBack && stream.owed.length > 0) this.answer(stream, stream.owed[0]!)
      }
      while (this.pings.length > 0) this.pinged(true)
      if (this.log.length === before && this.armed < Infinity) this.wake()
      this.judge()
    }
  }

  /** The end: nothing is left after the grace. */
  beClosed(): void {
    this.close()
    this.judge()
    while (this.flushes.length > 0) this.flush()
    this.judge()
    while (this.alone > 0) this.endAlone()
    while (this.exclusive > 0) this.endExclusive()
    if (!this.isClosed) this.advance(this.options.shutdownGrace)
    ensure(this.isClosed, "a pool does not close")
    while (this.openings > 0) this.open(this.sessions[0]!, false)
    this.judge()
    for (const { outcome, number } of this.requests) ensure(outcome !== "none", `request ${number} has no end`)
  }

  /** Identifies a state by everything that decides. Times count from now. */
  snapshot(): string {
    const t = (at: number) => at === Infinity || at === -Infinity ? String(at) : Math.max(at - this.now.monotonic, -1)
    const order = (request: ModelRequest) => [
      request.size,
      request.answers,
      request.state,
      request.hasCaller,
      request.buffered
    ]
    return JSON.stringify([
      this.held.map((stream) => [
        stream.session === this.sessions[0],
        stream.refusal,
        stream.record.state,
        stream.record.hasRoom,
        stream.record.unwritten,
        stream.writes,
        stream.record.nextId > 0,
        stream.owed.map(order),
        this.batchOf(stream).map(order),
        t(stream.record.idleUntil),
        t(stream.record.reliedUntil)
      ]),
      this.queue.map((request) => [...order(request), t(request.deadline)]),
      this.openings,
      this.flushes,
      this.isWanted,
      this.isOpen,
      this.exclusive,
      this.alone,
      this.lent.map((session) => this.sessions.indexOf(session)),
      this.pings.map((session) => this.sessions.indexOf(session)),
      this.machine.state,
      t(this.armed),
      t(this.graceUntil)
    ])
  }
}
