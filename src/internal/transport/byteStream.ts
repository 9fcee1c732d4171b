/** A WebTransport stream, in one or both directions: a class with plain fields, since every byte passes through it. */
import { complete, makeDeferred } from "#effect/deferred"
import { type FiberState, type RunningFiber, withFiberState } from "#effect/fiber"
import { InspectableClass } from "#effect/inspect"
import { repeatEffectOption } from "#effect/stream"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type { FramingError } from "../../FramingError.js"
import type { NativeReceiveStream, NativeSendStream } from "../../WebTransportConstructor.js"
import type { WebTransportError } from "../../WebTransportError.js"
import { StreamTypeId } from "../../WebTransportSession.js"
import type { Direction } from "../core/streams/cleanliness.js"
import { Receiver } from "./receiver.js"
import { Sender } from "./sender.js"
import type { HostedStream, StreamHost, StreamSide } from "./streamHost.js"
import type { Outcome } from "./wait.js"

/**
 * The reason of a `cancel` or `abort` with a code: browsers need their own error class, fails-components (1.6.8) a record
 * with `code`.
 */
const reasonOf = (code: number): unknown => {
  const Native = (globalThis as { readonly WebTransportError?: new(...args: Array<any>) => any }).WebTransportError
  if (Native !== undefined) {
    for (const args of [["", { source: "stream", streamErrorCode: code }], [{ streamErrorCode: code }]]) {
      try {
        const error = new Native(...args)
        if (error.streamErrorCode === code) return error
      } catch {
        // The constructor has an older or a newer signature.
      }
    }
  }
  return { code, streamErrorCode: code }
}

/** Repeats the effect until it returns none. */
export const untilNone = <A, E, R>(next: Effect.Effect<Option.Option<A>, E, R>): Stream.Stream<A, E, R> =>
  repeatEffectOption(
    Effect.matchEffect(next, {
      onFailure: (error) => Effect.fail(Option.some(error)),
      onSuccess: (value) => Option.isSome(value) ? Effect.succeed(value.value) : Effect.fail(Option.none())
    })
  )

/** The source and target of messages: a stream, or a borrower's view of a stream. */
export interface Framed {
  readMessage(max: number): Effect.Effect<Option.Option<Uint8Array>, WebTransportError | FramingError>
  /** Writes bytes that nothing will change any more, without a copy. */
  writeOwned(bytes: Uint8Array): Effect.Effect<void, WebTransportError>
}

export class ByteStream extends InspectableClass implements Framed, HostedStream, StreamSide {
  readonly host: StreamHost
  readonly native: any
  readonly receiver: Receiver
  private readonly sender: Sender

  /** Set when this side ends the stream. */
  endedBecause: string | undefined = undefined
  isLost = false
  /** Called, in the same step, when bytes come and when the stream is lost. A lost session tells its observers instead. */
  watcher: (() => void) | undefined = undefined
  /** Called, in the same step, when the peer breaks a direction, or the session is gone. */
  whenBroken: ((error: WebTransportError) => void) | undefined = undefined
  /** Called when the end of the stream is confirmed, or no longer awaited. */
  onEnded: (() => void) | undefined = undefined
  /** Whether the stream was reset with bytes to send: the platform took none for too long, or the session closed. */
  wasGivenUp = false
  /** How many writes were pending at the last `look`, and at how many looks in a row. */
  private leftAtLook = 0
  private looks = 0
  private lostSignal: Deferred.Deferred<void> | undefined = undefined
  private readEffect: Effect.Effect<Option.Option<Uint8Array>, WebTransportError> | undefined = undefined

  constructor(
    host: StreamHost,
    native: unknown,
    readable: NativeReceiveStream | undefined,
    writable: NativeSendStream | undefined
  ) {
    super()
    this.host = host
    this.native = native
    this.receiver = new Receiver(this, readable)
    this.sender = new Sender(this, writable)
    host.began(this)
    this.receiver.start()
    this.sender.start()
  }

  get [StreamTypeId](): StreamTypeId {
    return StreamTypeId
  }

  get receiving(): Direction {
    return this.receiver.state
  }

  get sending(): Direction {
    return this.sender.state
  }

  get bytesReceived(): number {
    return this.receiver.bytesReceived
  }

  get isInboxEmpty(): boolean {
    return this.receiver.inbox.isEmpty
  }

  /** Whether a native read is pending, without a fiber that waits for it. */
  get isReadPending(): boolean {
    return this.receiver.isReadPending
  }

  get areWritesSettled(): boolean {
    return this.sender.unsettled === 0
  }

  get isSessionAlive(): boolean {
    return this.host.isOpen
  }

  get isEnded(): boolean {
    return this.endedBecause !== undefined
  }

  // ---------------------------------------------------------------------------
  // Reading
  // ---------------------------------------------------------------------------

  get read(): Effect.Effect<Option.Option<Uint8Array>, WebTransportError> {
    return this.readEffect ??= this.reading(this.receiver.bytes)
  }

  readExactly(size: number): Effect.Effect<Uint8Array, WebTransportError> {
    return this.reading(this.receiver.exactly(size))
  }

  /** Reads a message with its length prefix; none if the peer finished between two messages. */
  readMessage(max: number): Effect.Effect<Option.Option<Uint8Array>, WebTransportError | FramingError> {
    return this.reading(this.receiver.messages(max))
  }

  get stream(): Stream.Stream<Uint8Array, WebTransportError> {
    return untilNone(this.read)
  }

  /** Waits for an outcome, which is evaluated again whenever bytes come. */
  private reading<A, E>(outcome: Outcome<A, E>): Effect.Effect<A, E> {
    return withFiberState((fiber, state) => this.receiver.slot.wait(outcome, fiber, state))
  }

  /** Begins the wait at once, for callers that already have the fiber. */
  readWith<A, E>(
    outcome: Outcome<A, E>,
    fiber: RunningFiber<unknown, unknown>,
    state: FiberState
  ): Effect.Effect<A, E> {
    return this.receiver.slot.wait(outcome, fiber, state)
  }

  get bytes(): Outcome<Option.Option<Uint8Array>, WebTransportError> {
    return this.receiver.bytes
  }

  exactly(size: number): Outcome<Uint8Array, WebTransportError> {
    return this.receiver.exactly(size)
  }

  messages(max: number): Outcome<Option.Option<Uint8Array>, WebTransportError | FramingError> {
    return this.receiver.messages(max)
  }

  /** Whether a read was interrupted, and no bytes have come since. */
  get isOverdue(): boolean {
    return this.receiver.isOverdue
  }

  // ---------------------------------------------------------------------------
  // Writing
  // ---------------------------------------------------------------------------

  write(bytes: Uint8Array): Effect.Effect<void, WebTransportError> {
    return Effect.suspend(() => this.sender.send(bytes, false))
  }

  writeOwned(bytes: Uint8Array): Effect.Effect<void, WebTransportError> {
    return Effect.suspend(() => this.sender.send(bytes, true))
  }

  /** Hands the bytes over now if there is room; otherwise the returned effect waits for room. */
  send(bytes: Uint8Array, isOwned: boolean): Effect.Effect<void, WebTransportError> {
    return this.sender.send(bytes, isOwned)
  }

  get flushed(): Effect.Effect<void, WebTransportError> {
    return this.sender.flushed
  }

  // --- for plain code

  /** Takes the bytes that have come, if any. No fiber may read meanwhile. */
  takeNow(): Uint8Array | undefined {
    return this.receiver.takeNow()
  }

  /** Whether the platform takes a write now. */
  get hasRoom(): boolean {
    return this.sender.hasRoom
  }

  /** Hands bytes over. Calls `then` when the platform has completed the write and takes another one. */
  post(bytes: Uint8Array<ArrayBuffer>, then: () => void): void {
    this.sender.post(bytes, then)
  }

  /** Why the stream is of no use; call it only if it is not. */
  get failure(): WebTransportError {
    return this.receiver.state === "Failed" ? this.receiver.refusal() : this.sender.refusal()
  }

  get whenCut(): Effect.Effect<WebTransportError> {
    return this.sender.whenCut
  }

  get sink(): Sink.Sink<void, Uint8Array, never, WebTransportError> {
    return Sink.forEach((bytes: Uint8Array) => this.write(bytes))
  }

  get closeWrite(): Effect.Effect<void, WebTransportError> {
    return Effect.suspend(() => this.sender.finish())
  }

  /** Begins the FIN now; the returned effect waits for the platform. */
  finish(): Effect.Effect<void, WebTransportError> {
    return this.sender.finish()
  }

  get written(): Effect.Effect<void> {
    return this.sender.written
  }

  get whenWritten(): (() => void) | undefined {
    return this.sender.whenWritten
  }

  set whenWritten(then: (() => void) | undefined) {
    this.sender.whenWritten = then
  }

  allWritten(): void {
    this.sender.allWritten()
  }

  /** Whether the platform has not completed a write, also if the stream was reset since. */
  get isWriting(): boolean {
    return this.sender.unsettled > 0
  }

  /** Whether no bytes have come since the last write: the peer may not have received it. */
  get isUnanswered(): boolean {
    return this.sender.isUnanswered
  }

  /** Whether the stream ended in success, and the platform has not taken all its bytes. */
  get isSending(): boolean {
    return this.sender.isDelivering && this.isWriting
  }

  // ---------------------------------------------------------------------------
  // Ending
  // ---------------------------------------------------------------------------

  get lost(): Effect.Effect<void> {
    return Effect.suspend(() => this.isLost ? Effect.void : Deferred.await(this.lostSignal ??= makeDeferred()))
  }

  reset(code: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!Number.isInteger(code) || code < 0 || code > 255) {
        return Effect.die(new RangeError(`reset: code must be a whole number from 0 to 255, not ${code}`))
      }
      this.end(false, code, "this side reset the stream")
      return Effect.void
    })
  }

  /**
   * Begins the end and returns at once. The host is told when the platform has confirmed the end.
   *
   * `cancel` comes first, in the same task: otherwise a stream's credit never returns over HTTP/2 (fails-components 1.6.8).
   */
  end(success: boolean, code = 0, why = "the scope of the stream is closed"): void {
    if (this.endedBecause !== undefined) return
    this.endedBecause = why
    const { host, receiver, sender } = this
    const { reader } = receiver
    const { writer } = sender
    const spoiled = sender.state === "Failed"
    const finished = sender.state === "Finished"
    if (receiver.state === "Open") receiver.state = "Failed"
    if (sender.state === "Open") sender.state = "Failed"
    sender.isDelivering = writer !== undefined && success && !spoiled
    host.ending(this, sender.isDelivering)
    this.leftAtLook = sender.unsettled
    sender.failWaiting()
    this.signalLost()
    receiver.slot.wake()

    let unconfirmed = 1
    const confirm = () => {
      if (--unconfirmed === 0) host.ended(this)
    }
    const confirms = (start: () => Promise<unknown>) => {
      unconfirmed++
      try {
        start().then(confirm, confirm)
      } catch {
        confirm()
      }
    }
    const reason = success && !spoiled ? undefined : reasonOf(code)
    if (reader !== undefined) confirms(() => reader.cancel(reason))
    if (writer !== undefined) {
      if (reason !== undefined) confirms(() => writer.abort(reason))
      else {
        const closed = finished ? writer.closed : writer.close()
        const delivered = () => host.delivered(this)
        closed.then(delivered, delivered)
        confirms(() => closed)
      }
    }
    confirm()
    sender.releaseFinish()
    sender.allWritten()
    if (reason !== undefined) sender.allFlushed(Effect.fail(sender.refusal()))
  }

  /** Call it from time to time. Returns at how many calls in a row the platform had taken no bytes. */
  look(): number {
    if (this.leftAtLook === this.sender.unsettled) return ++this.looks
    this.leftAtLook = this.sender.unsettled
    return this.looks = 0
  }

  /** Stops waiting for the platform; bytes that it has not taken are not sent. */
  giveUp(why: string): void {
    const { sender } = this
    if (this.isSending) {
      sender.isDelivering = false
      this.wasGivenUp = true
      this.endedBecause = why
      sender.writer!.abort(reasonOf(0)).then(undefined, () => {})
      sender.allFlushed(Effect.fail(sender.refusal()))
    }
    this.host.ended(this)
  }

  /**
   * The session is gone: waiting fibers fail, also if the platform does not tell them. The watcher is not called, since the
   * session tells its observers.
   */
  sessionLost(error: WebTransportError): void {
    this.watcher = undefined
    this.receiver.fail(() => error)
    this.sender.fail(() => error)
    this.sender.allFlushed(Effect.fail(error))
    this.signalLost()
    this.sender.releaseFinish()
  }

  changed(): void {
    this.watcher?.()
  }

  broke(error: WebTransportError): void {
    this.signalLost()
    this.whenBroken?.(error)
  }

  signalLost(): void {
    if (this.isLost) return
    this.isLost = true
    this.watcher?.()
    if (this.lostSignal !== undefined) complete(this.lostSignal, Exit.void)
  }

  /** Shows none of the bytes. */
  toJSON(): object {
    return { _id: "Stream", receiving: this.receiving, sending: this.sending, bytesReceived: this.bytesReceived }
  }
}
