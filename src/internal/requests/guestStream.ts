/** A stream of a `StreamPool` that requests share: writes their batches, and reads their answers in plain code. */
import * as Exit from "effect/Exit"
import { FramingError } from "../../FramingError.js"
import { AnswerReader } from "../core/requests/answerReader.js"
import { encodeBatch } from "../core/requests/batch.js"
import type { GivenBack, Moment } from "../core/requests/requestCommands.js"
import type { RequestMachine } from "../core/requests/requestMachine.js"
import { SharedStream, type SharedStreamFacts } from "../core/requests/sharedStream.js"
import type { SyncLease } from "../engine/resourcePool.js"
import type { StreamGuest, StreamView } from "../streams/streamView.js"
import type { ByteStream } from "../transport/byteStream.js"
import { framingError } from "../transport/failure.js"
import type { SessionCore } from "../transport/sessionCore.js"
import { type Call, ManyCall, type SingleCall } from "./calls.js"
import type { Trouble } from "./trouble.js"

export interface GuestHost {
  readonly machine: RequestMachine<GuestStream, Trouble>
  readonly maxMessageSize: number
  now(): Moment
  watch(session: SessionCore): void
}

const unknownId = (id: number | undefined) =>
  new FramingError({
    reason: "Malformed",
    operation: "read",
    detail: id === undefined
      ? "the peer answered, although no request was unanswered"
      : `the peer answered the id ${id}, which no request had`
  })

/** How a stream is returned that must not be lent again. */
const spoiled = Exit.fail("the stream owes answers, or is broken")

export class GuestStream implements StreamGuest, SharedStreamFacts<Trouble> {
  readonly record = new SharedStream<GuestStream>(this)
  private readonly host: GuestHost
  private readonly lease: SyncLease<StreamView>
  private readonly stream: ByteStream
  private readonly reader: AnswerReader
  readonly session: SessionCore

  constructor(host: GuestHost, lease: SyncLease<StreamView>) {
    const { lane, stream } = lease.value.pooled
    this.host = host
    this.lease = lease
    this.stream = stream
    this.session = lane.session
    host.watch(this.session)
    this.reader = new AnswerReader(host.machine.options.correlate, host.maxMessageSize)
  }

  get refusal(): Trouble | undefined {
    const isOpen = this.stream.sending === "Open" && !this.stream.isLost && this.stream.isSessionAlive
    return isOpen ? undefined : this.trouble
  }

  /** Why the stream is lost. */
  private get trouble(): Trouble {
    const { stream } = this
    if (stream.receiving !== "Finished" || stream.isEnded) return { _tag: "Transport", cause: stream.failure }
    const truncated = this.reader.truncated()
    return truncated === undefined ? { _tag: "NoAnswer" } : { _tag: "Framing", cause: framingError(truncated) }
  }

  // --- writing

  write(calls: ReadonlyArray<Call>, size: number): void {
    const { host: { machine }, record, stream } = this
    const bytes = encodeBatch(calls, machine.options.correlate)
    for (const call of calls) call.encoded()
    stream.post(bytes, () => machine.written(record, size, this.host.now()))
    machine.handedOver(record, stream.hasRoom, this.host.now())
  }

  // --- reading

  onChange(): void {
    for (let chunk = this.stream.takeNow(); chunk !== undefined; chunk = this.stream.takeNow()) this.read(chunk)
    if (this.stream.isLost || !this.stream.isSessionAlive) this.lose(this.trouble)
  }

  onLeaving(): void {
    this.host.machine.leave(this.record, this.host.now())
  }

  private read(chunk: Uint8Array): void {
    const { reader, record } = this
    reader.push(chunk)
    for (let next = reader.next(); next !== "Missing"; next = reader.next()) {
      if (next !== "Answer") return this.lose({ _tag: "Framing", cause: framingError(next) })
      if (!this.answer()) return this.lose({ _tag: "Framing", cause: unknownId(reader.id) })
      // a command may have ended it
      if (record.state === "Over") return
    }
    this.host.machine.read(this.host.now())
  }

  /** False: no request had the id. */
  private answer(): boolean {
    const { host: { machine }, reader, record } = this
    const call = machine.answer(record, reader.id, reader.size)
    if (call === "Unknown") return false
    if (call === "Drop") return true
    if (call instanceof ManyCall) this.answerMany(call)
    else (call as SingleCall).answered(reader.take())
    return true
  }

  private answerMany(call: ManyCall): void {
    const { machine } = this.host
    const answer = this.reader.take()
    const isAwaited = call.state === "Sent"
    let isLast: boolean
    try {
      isLast = call.isLast(answer)
    } catch (defect) {
      call.failed(Exit.die(defect))
      return machine.abandon(call, this.host.now())
    }
    if (isLast) {
      machine.lastAnswer(this.record, call)
      if (isAwaited) call.last()
    }
    if (isAwaited) call.answered(answer)
  }

  private lose(trouble: Trouble): void {
    this.host.machine.lost(this.record, trouble, this.host.now())
  }

  // --- the end

  giveBack(how: GivenBack): void {
    if (how === "Silent") this.lease.value.markSilent()
    this.lease.giveBack(how === "Clean" ? Exit.void : spoiled)
  }
}
