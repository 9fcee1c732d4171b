/** The sending direction of a stream: one native writer, and the fibers that wait for it. */
import { callback } from "#effect/effect"
import * as Effect from "effect/Effect"
import type { NativeSendStream } from "../../WebTransportConstructor.js"
import { WebTransportError } from "../../WebTransportError.js"
import { copyOf } from "../core/copyBytes.js"
import { isBytes, notBytes } from "../core/kinds.js"
import { type Linked, LinkedList } from "../core/linkedList.js"
import type { Direction } from "../core/streams/cleanliness.js"
import { afterSessionEnd } from "./failure.js"
import type { StreamSide } from "./streamHost.js"
import { Pending, type Resume } from "./wait.js"

/** A queued write that waits for room. */
class WaitingWrite implements Linked<WaitingWrite> {
  readonly bytes: Uint8Array
  readonly isOwned: boolean
  readonly resume: Resume
  previous: WaitingWrite | undefined = undefined
  next: WaitingWrite | undefined = undefined
  list: LinkedList<any> | undefined = undefined

  constructor(bytes: Uint8Array, isOwned: boolean, resume: Resume) {
    this.bytes = bytes
    this.isOwned = isOwned
    this.resume = resume
  }
}

/**
 * The platform gets the bytes in pieces of this size, and confirms each piece: without a confirmation for long, it is
 * silent. The last piece of a write may be half as large again.
 */
const pieceSize = 64 * 1024
const largestPiece = 1.5 * pieceSize

export class Sender {
  private readonly stream: StreamSide
  /** The same writer for the whole life. */
  readonly writer: WritableStreamDefaultWriter<Uint8Array> | undefined
  state: Direction
  /** The bytes received on the stream before the last write. */
  private receivedAtWrite = -1
  /** The number of writes that the platform has not completed, the FIN included. */
  unsettled = 0
  /** Writes that wait for room. None of their bytes are handed over. */
  private readonly waiting = new LinkedList<WaitingWrite>()
  private isAwaitingRoom = false
  /** The fiber that waits for the FIN. */
  private finishing: Pending | undefined = undefined
  /** Why accepted bytes are not sent. */
  private cutBy: WebTransportError | undefined = undefined
  private cutListeners: Set<(error: Effect.Effect<WebTransportError>) => void> | undefined = undefined
  private flushers: Set<Resume> | undefined = undefined
  private failure: WebTransportError | undefined = undefined
  /** Called when the platform has completed all writes, or the stream is ended. */
  whenWritten: (() => void) | undefined = undefined
  /** Whether the stream ended in success: the accepted bytes are sent, then the FIN. */
  isDelivering = false

  constructor(stream: StreamSide, writable: NativeSendStream | undefined) {
    this.stream = stream
    this.writer = writable?.getWriter()
    this.state = this.writer === undefined ? "Absent" : "Open"
  }

  start(): void {
    this.writer?.closed.then(this.onWriterClosed, this.onWriterBroke)
  }

  // --- writing

  /**
   * Hands the bytes over now if there is room; otherwise the returned effect waits for room.
   *
   * It hands over all bytes or none: an interrupted wait has handed over nothing, and a completed write cannot be interrupted.
   * The platform may read the bytes later, so they must not change. `isOwned`: nothing will change them.
   */
  send(bytes: Uint8Array, isOwned: boolean): Effect.Effect<void, WebTransportError> {
    if (!isBytes(bytes)) return Effect.die(notBytes("the argument of write", bytes))
    if (this.state !== "Open") return Effect.fail(this.refusal())
    if (bytes.byteLength === 0) return Effect.void
    if (this.waiting.first !== undefined || !(this.writer!.desiredSize! > 0)) return this.waitForRoom(bytes, isOwned)
    this.handOver(bytes, isOwned)
    return Effect.void
  }

  /** Whether the platform takes a write now. */
  get hasRoom(): boolean {
    return this.waiting.first === undefined && this.writer!.desiredSize! > 0
  }

  /**
   * For plain code: hands over bytes that nothing will change any more. Calls `then` when the platform has completed the
   * write, and takes another one. Call it only while the direction is open.
   */
  post(bytes: Uint8Array<ArrayBuffer>, then: () => void): void {
    this.handOver(bytes, true, then)
  }

  private whenRoom(then: () => void): void {
    if (this.state !== "Open") return
    if (this.writer!.desiredSize! > 0) then()
    // `ready` rejects only when the stream breaks, which is handled elsewhere
    else this.writer!.ready.then(then, () => {})
  }

  /** Calls `then` when the last piece is written, and there is room. */
  private handOver(bytes: Uint8Array, isOwned: boolean, then?: () => void): void {
    this.receivedAtWrite = this.stream.bytesReceived
    const owned = isOwned ? bytes : this.stream.host.retainsWrites ? copyOf(bytes) : new Uint8Array(bytes)
    let at = 0
    // all pieces at once: queued bytes are sent completely
    while (owned.byteLength - at > largestPiece) {
      this.queue(owned.subarray(at, at += pieceSize))
    }
    this.queue(at === 0 ? owned : owned.subarray(at), then)
  }

  private queue(piece: Uint8Array, then?: () => void): void {
    const onWritten = then === undefined ? this.onWritten : () => {
      this.onWritten()
      this.whenRoom(then)
    }
    this.unsettled++
    this.writer!.write(piece).then(onWritten, this.onWriteRejected)
  }

  /** Queues the write: writes are handed over in order. */
  private waitForRoom(bytes: Uint8Array, isOwned: boolean): Effect.Effect<void, WebTransportError> {
    return callback<void, WebTransportError>((resume) => {
      if (this.state !== "Open") return resume(Effect.fail(this.refusal()))
      const write = new WaitingWrite(bytes, isOwned, resume)
      this.waiting.push(write)
      this.awaitRoom()
      return Effect.sync(() => this.waiting.remove(write))
    })
  }

  private awaitRoom(): void {
    if (this.isAwaitingRoom || this.waiting.first === undefined || this.state !== "Open") return
    this.isAwaitingRoom = true
    // `ready` rejects only when the stream breaks, which is handled elsewhere
    this.writer!.ready.then(this.onRoom, () => {})
  }

  private readonly onRoom = (): void => {
    this.isAwaitingRoom = false
    while (this.state === "Open" && this.writer!.desiredSize! > 0 && this.letFirstWrite()) {
      // the first one has written
    }
    this.awaitRoom()
  }

  private letFirstWrite(): boolean {
    const write = this.waiting.first
    if (write === undefined) return false
    this.waiting.remove(write)
    this.handOver(write.bytes, write.isOwned)
    write.resume(Effect.void)
    return true
  }

  failWaiting(): void {
    for (let write = this.waiting.first; write !== undefined; write = this.waiting.first) {
      this.waiting.remove(write)
      write.resume(Effect.fail(this.refusal()))
    }
  }

  private readonly onWritten = (): void => {
    this.stream.host.took()
    if (--this.unsettled > 0) return
    if (this.whenWritten !== undefined) this.allWritten()
    if (this.flushers !== undefined) this.allFlushed(Effect.void)
  }

  private readonly onWriteRejected = (cause: unknown): void => {
    afterSessionEnd(cause, () => this.writeRejected(cause))
  }

  private writeRejected(cause: unknown): void {
    this.broke(cause)
    this.onCut(cause)
    this.onWritten()
  }

  // --- written bytes

  /** The platform has completed all writes, or nothing waits for them any longer. */
  allWritten(): void {
    const { whenWritten } = this
    this.whenWritten = undefined
    whenWritten?.()
  }

  /** Completes when the platform has completed all writes, or the stream is ended. One fiber at a time may wait. */
  get written(): Effect.Effect<void> {
    return callback((resume) => {
      if (this.unsettled === 0 || this.stream.endedBecause !== undefined) return resume(Effect.void)
      this.whenWritten = () => resume(Effect.void)
      return Effect.sync(() => this.whenWritten = undefined)
    })
  }

  /** Accepted bytes, or the FIN, are not sent. */
  private onCut(cause: unknown): void {
    if (this.cutBy !== undefined) return
    const detail = this.stream.endedBecause ?? "the stream broke before all bytes were sent"
    const error = this.cutBy = this.failure ?? this.stream.host.failure("Write", detail, cause)
    this.allFlushed(Effect.fail(error))
    const listeners = this.cutListeners
    this.cutListeners = undefined
    listeners?.forEach((resume) => resume(Effect.succeed(error)))
  }

  allFlushed(outcome: Effect.Effect<void, WebTransportError>): void {
    const { flushers } = this
    this.flushers = undefined
    flushers?.forEach((resume) => resume(outcome))
  }

  get flushed(): Effect.Effect<void, WebTransportError> {
    return callback<void, WebTransportError>((resume) => {
      if (this.cutBy !== undefined) return resume(Effect.fail(this.cutBy))
      if (this.state === "Failed" && !this.isDelivering) return resume(Effect.fail(this.refusal()))
      if (this.unsettled === 0) return resume(Effect.void)
      const flushers = this.flushers ??= new Set()
      flushers.add(resume)
      return Effect.sync(() => flushers.delete(resume))
    })
  }

  /** Completes, with the reason, when accepted bytes are not sent. Writes after that are useless. */
  get whenCut(): Effect.Effect<WebTransportError> {
    return callback<WebTransportError>((resume) => {
      if (this.cutBy !== undefined) return resume(Effect.succeed(this.cutBy))
      const listeners = this.cutListeners ??= new Set()
      listeners.add(resume)
      return Effect.sync(() => listeners.delete(resume))
    })
  }

  /** Whether no bytes have come since the last write: the peer may not have received it. */
  get isUnanswered(): boolean {
    return this.receivedAtWrite === this.stream.bytesReceived
  }

  // --- the end

  /** Begins the FIN now; the returned effect waits for the platform. */
  finish(): Effect.Effect<void, WebTransportError> {
    if (this.state === "Finished") return Effect.void
    if (this.state !== "Open") return Effect.fail(this.refusal())
    // writes that wait for room come before the FIN
    while (this.letFirstWrite()) {
      // the first one has written
    }
    this.state = "Finished"
    const pending = this.finishing = new Pending()
    this.unsettled++
    this.writer!.close().then(
      () => {
        this.onWritten()
        pending.complete(Effect.void)
      },
      (cause) =>
        afterSessionEnd(cause, () => {
          this.writeRejected(cause)
          pending.complete(Effect.fail(this.refusal(cause)))
        })
    )
    return callback<void, WebTransportError>((resume) => {
      pending.await(resume)
      // an interruption does not undo the FIN, which does no harm
      return Effect.sync(() => pending.forget())
    })
  }

  refusal(cause?: unknown): WebTransportError {
    const finished = this.state === "Finished"
      ? "this direction of the stream was finished already"
      : "the stream broke"
    if (this.failure !== undefined) return this.failure
    const { endedBecause, host } = this.stream
    return endedBecause === undefined
      ? host.failure("Write", finished, cause)
      : new WebTransportError({ reason: "Write", detail: endedBecause, cause })
  }

  private readonly onWriterClosed = (): void => {
    this.fail(() => new WebTransportError({ reason: "Write", detail: "the platform closed the stream" }))
  }

  private readonly onWriterBroke = (cause: unknown): void => {
    afterSessionEnd(cause, () => this.broke(cause))
  }

  private broke(cause: unknown): void {
    this.fail(() => this.stream.host.failure("Write", "the peer stopped the stream, or it broke", cause))
  }

  /** Makes the error only if needed: its stack is expensive, and every stream ends. */
  fail(error: () => WebTransportError): void {
    if (this.state !== "Open") return
    this.state = "Failed"
    const failure = this.failure = error()
    this.failWaiting()
    this.allFlushed(Effect.fail(failure))
    this.stream.broke(failure)
  }

  /** Ends a pending FIN: after the death of its session it would never settle (fails-components 1.6.8). */
  releaseFinish(): void {
    this.finishing?.complete(Effect.fail(this.refusal()))
  }
}
