/** A borrower's view of a pooled stream, valid for one lease. */
import { interrupted } from "#effect/cause"
import { andThen, callback } from "#effect/effect"
import { withFiberState } from "#effect/fiber"
import { InspectableClass } from "#effect/inspect"
import { makeSemaphore, type Semaphore } from "#effect/latch"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type { FramingError } from "../../FramingError.js"
import type * as WebTransport from "../../WebTransport.js"
import { isWebTransportError, WebTransportError } from "../../WebTransportError.js"
import { StreamTypeId } from "../../WebTransportSession.js"
import { type Cleanliness, cleanliness, isUnanswered, isUnfit } from "../core/streams/cleanliness.js"
import type { PoolEngine, ReturnVerdict, SyncLease } from "../engine/resourcePool.js"
import { type ByteStream, type Framed, untilNone } from "../transport/byteStream.js"
import type { Failure, PooledStream, StreamSource } from "./streamSource.js"

const givenBack = (reason: "Read" | "Write") =>
  new WebTransportError({
    reason,
    detail: "this stream was returned to its pool",
    advice: "use it within the effect or scope that borrowed it"
  })

const spokeFirst = (reason: "Read" | "Write") =>
  new WebTransportError({
    reason,
    detail: "the peer sent bytes, or ended the stream, before the borrower wrote",
    advice: "write first, or set clientSpeaksFirst: false"
  })

const noOther = (cause: Failure) =>
  isWebTransportError(cause) ? cause : new WebTransportError({
    reason: "StreamOpen",
    detail: "the stream broke before its first use, and no other stream was available",
    cause
  })

/** The parts that the views of a pool share. */
export interface StreamPoolContext {
  readonly source: StreamSource
  readonly clientSpeaksFirst: boolean
  readonly pool: PoolEngine<WebTransport.BidirectionalStream, Failure>
}

/** Plain code that reads and writes the stream of a view itself, and is told of changes in the same step. */
export interface StreamGuest {
  /** Bytes came, or the stream is lost. */
  onChange(): void
  /** The pool wants the stream back when the guest no longer needs it. */
  onLeaving(): void
}

export class StreamView extends InspectableClass implements WebTransport.BidirectionalStream, Framed {
  readonly pooled: PooledStream
  private readonly context: StreamPoolContext
  /** A borrower gets another stream if this one breaks before its first use; a check does not. */
  private isReplaceable: boolean
  private replacement: SyncLease<StreamView> | undefined = undefined
  private replacing: Semaphore | undefined = undefined
  /** Whether the borrower has begun to use the stream, and sees all bytes and failures of it. */
  private hasBegun = false
  private hasWritten = false
  private isGivenBack = false
  /** The stream replaces an unfit stream. */
  private isReplacement = false
  /** The moment of the borrow, and the bytes that the session had received by then. */
  private readonly began: number
  private readonly receivedBefore: number
  private isOwn = false
  /** Reads that wait for the first write. */
  private early: Array<() => void> | undefined = undefined
  /** Whether the pool must not lend the stream again. */
  isForOneUse = false
  /** The end of the request for many answers that the stream serves, once known. */
  requestEnd: "answered" | "failures" | undefined = undefined
  private guest: StreamGuest | undefined = undefined
  /** A read that the borrower gives up says nothing about the session. */
  isPatient = false
  /** The borrower awaited bytes in vain, and none came on the session. */
  private wasSilent = false

  constructor(context: StreamPoolContext, pooled: PooledStream, isReplaceable = true) {
    super()
    this.context = context
    this.pooled = pooled
    this.isReplaceable = isReplaceable
    pooled.holder = this
    pooled.uses++
    this.began = context.source.machine.lent(pooled)
    this.receivedBefore = pooled.lane.session.bytesReceived
  }

  get [StreamTypeId](): WebTransport.StreamTypeId {
    return StreamTypeId
  }

  /** The stream behind the view now. */
  get current(): PooledStream {
    return this.replacement?.value.current ?? this.pooled
  }

  /** Whether the borrower has handed bytes to the transport. */
  get wasWritten(): boolean {
    return this.replacement?.value.wasWritten ?? this.hasWritten
  }

  private get beneath(): ByteStream {
    return this.pooled.stream
  }

  /** The stream serves this borrower only, from the start to its end: all bytes on it are this borrower's. */
  own(): this {
    this.isOwn = true
    this.isForOneUse = true
    this.hasBegun = true
    return this
  }

  /** The guest uses the stream from now on. False: the stream is not like new. */
  welcome(guest: StreamGuest): boolean {
    if (cleanliness(this.beneath) !== "Clean") return false
    this.guest = guest
    this.hasBegun = true
    return true
  }

  /** The session did not answer the borrower. */
  markSilent(): void {
    if (this.replacement === undefined) this.wasSilent = true
    else this.replacement.value.markSilent()
  }

  /** Ends the stream of a borrower who is to get no other one. */
  cut(why: string): void {
    this.isReplaceable = false
    if (this.replacement === undefined) this.beneath.end(false, 0, why)
    else this.replacement.value.cut(why)
  }

  /** The pool has retired the stream, which is lent. */
  onLeaving(): void {
    this.guest?.onLeaving()
  }

  /** Whether the stream broke, or received unexpected bytes, before its first use. */
  private get isUnfit(): boolean {
    if (this.hasBegun) return false
    const { clientSpeaksFirst } = this.context
    return isUnfit(this.beneath, { clientSpeaksFirst, isFresh: this.pooled.uses <= 1 }, "Borrower")
  }

  /** Bytes came, or the stream broke. An unfit stream goes at once, and its borrower gets another. */
  onChange(): void {
    if (this.guest !== undefined) return this.guest.onChange()
    if (!this.context.clientSpeaksFirst || !this.isUnfit) return
    this.pooled.control?.lost()
    this.wakeEarly()
  }

  private beginUse(): void {
    if (this.hasBegun) return
    this.hasBegun = true
    this.wakeEarly()
  }

  private wakeEarly(): void {
    const { early } = this
    if (early === undefined) return
    this.early = undefined
    for (const wake of early) wake()
  }

  /** Whether the borrower may write on the stream. If so, the use begins. */
  private mayWrite(): boolean {
    if (this.isGivenBack || this.replacement !== undefined) return false
    if (!this.hasBegun) {
      if (this.isReplaceable && this.isUnfit) return false
      this.beginUse()
    }
    if (this.beneath.sending === "Open") this.hasWritten = true
    return true
  }

  /** The same for reading. A borrower that may get another stream reads nothing that came before its first write. */
  private mayRead(): boolean {
    if (this.isGivenBack || this.replacement !== undefined) return false
    if (!this.hasBegun) {
      if (this.context.clientSpeaksFirst || this.isUnfit) return false
      this.beginUse()
    }
    return true
  }

  /** A write that this stream cannot take: it goes to the replacement, or fails. */
  private writeElsewhere<E>(
    write: (view: StreamView) => Effect.Effect<void, E>
  ): Effect.Effect<void, E | WebTransportError> {
    if (this.isGivenBack) return Effect.fail(givenBack("Write"))
    if (this.replacement !== undefined) return write(this.replacement.value)
    // a peer that spoils fresh streams would spoil the next one, too
    const isHopeless = this.isReplacement && this.pooled.uses === 1 && this.beneath.host.gone === undefined &&
      this.context.pool.isOpen
    if (isHopeless) return Effect.fail(spokeFirst("Write"))
    return andThen(this.replace, Effect.suspend(() => write(this)))
  }

  private readElsewhere<A, E>(
    read: (view: StreamView) => Effect.Effect<A, E | WebTransportError>
  ): Effect.Effect<A, E | WebTransportError> {
    if (this.isGivenBack) return Effect.fail(givenBack("Read"))
    if (this.replacement !== undefined) return read(this.replacement.value)
    if (!this.isUnfit) return andThen(this.beginning, Effect.suspend(() => read(this)))
    const { gone } = this.beneath.host
    // bytes on a fresh stream are no leftovers: the next stream would bring them, too
    const isGreeted = this.context.clientSpeaksFirst && this.pooled.uses === 1 && gone === undefined &&
      this.context.pool.isOpen
    if (this.isReplaceable && !isGreeted) return andThen(this.replace, Effect.suspend(() => read(this)))
    return Effect.fail(gone ?? spokeFirst("Read"))
  }

  private get beginning(): Effect.Effect<void> {
    return callback((resume) => {
      if (this.hasBegun || this.isUnfit || this.replacement !== undefined || this.isGivenBack) {
        return resume(Effect.void)
      }
      const wake = () => resume(Effect.void)
      ;(this.early ??= []).push(wake)
      return Effect.sync(() => {
        this.early = this.early?.filter((other) => other !== wake)
      })
    })
  }

  /** Gets a replacement. One at a time: fibers of the borrower that write at the same time share it. */
  private get replace(): Effect.Effect<void, WebTransportError> {
    this.replacing ??= makeSemaphore(1)
    return this.replacing.withPermits(1)(Effect.suspend(() => {
      if (this.replacement !== undefined || this.isGivenBack) return Effect.void
      // the stream may have become unfit on its way to the borrower: it has to free its place for the replacement
      this.onChange()
      return Effect.mapError(
        this.context.pool.lend((lease) => {
          if (this.isGivenBack || !this.isReplaceable) return lease.giveBack(Exit.void)
          this.replacement = lease as SyncLease<StreamView>
          this.replacement.value.isReplacement = true
          this.wakeEarly()
        }),
        noOther
      )
    }))
  }

  /** Ends the lease. */
  private endLease(isSuccess: boolean): Cleanliness {
    this.isGivenBack = true
    this.guest = undefined
    this.wakeEarly()
    if (this.replacement !== undefined) {
      this.replacement.value.isForOneUse = this.isForOneUse
      this.replacement.value.isPatient = this.isPatient
      this.replacement.giveBack(isSuccess ? Exit.void : interrupted)
    }
    const { pooled } = this
    const { stream } = pooled
    pooled.holder = undefined
    const borrow = { isSuccess, isOwn: this.isOwn, isForOneUse: this.isForOneUse }
    const state = cleanliness(stream, borrow)
    // a peer that sent bytes meanwhile, on any stream, does not hang
    const isSilent = this.wasSilent ||
      (!this.isPatient && isUnanswered(stream, borrow) && pooled.lane.session.bytesReceived === this.receivedBefore)
    this.context.source.machine.returned(pooled, state === "Spoiled", isSilent ? this.began : undefined)
    return state
  }

  end(isSuccess: boolean): ReturnVerdict {
    if (this.isGivenBack) return "discard"
    const state = this.endLease(isSuccess)
    return state === "Settling" ? "later" : this.context.source.machine.verdictOf(this.pooled, state === "Clean")
  }

  /** Ends a check of the stream. Returns whether it passed and left the stream clean. */
  endCheck(exit: Exit.Exit<unknown, unknown>): boolean {
    const isFit = this.endLease(Exit.isSuccess(exit)) === "Clean"
    this.context.source.machine.verdictOf(this.pooled, isFit)
    return isFit
  }

  get lost(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.isGivenBack) return Effect.void
      return this.replacement === undefined ? this.beneath.lost : this.replacement.value.lost
    })
  }

  reset(code: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.isGivenBack) return Effect.void
      if (this.replacement !== undefined) return this.replacement.value.reset(code)
      this.beginUse()
      return this.beneath.reset(code)
    })
  }

  get read(): Effect.Effect<Option.Option<Uint8Array>, WebTransportError> {
    return withFiberState((fiber, state) =>
      this.mayRead()
        ? this.beneath.readWith(this.beneath.bytes, fiber, state)
        : this.readElsewhere((view) => view.read)
    )
  }

  readExactly(size: number): Effect.Effect<Uint8Array, WebTransportError> {
    return withFiberState((fiber, state) =>
      this.mayRead()
        ? this.beneath.readWith(this.beneath.exactly(size), fiber, state)
        : this.readElsewhere((view) => view.readExactly(size))
    )
  }

  readMessage(max: number): Effect.Effect<Option.Option<Uint8Array>, WebTransportError | FramingError> {
    return withFiberState((fiber, state) =>
      this.mayRead()
        ? this.beneath.readWith(this.beneath.messages(max), fiber, state)
        : this.readElsewhere((view) => view.readMessage(max))
    )
  }

  get stream(): Stream.Stream<Uint8Array, WebTransportError> {
    return untilNone(this.read)
  }

  write(bytes: Uint8Array): Effect.Effect<void, WebTransportError> {
    return Effect.suspend(() => {
      if (bytes.byteLength === 0) return this.isGivenBack ? Effect.fail(givenBack("Write")) : Effect.void
      return this.mayWrite() ? this.beneath.send(bytes, false) : this.writeElsewhere((view) => view.write(bytes))
    })
  }

  writeOwned(bytes: Uint8Array): Effect.Effect<void, WebTransportError> {
    return Effect.suspend(() =>
      this.mayWrite() ? this.beneath.send(bytes, true) : this.writeElsewhere((view) => view.writeOwned(bytes))
    )
  }

  get sink(): Sink.Sink<void, Uint8Array, never, WebTransportError> {
    return Sink.forEach((bytes: Uint8Array) => this.write(bytes))
  }

  get closeWrite(): Effect.Effect<void, WebTransportError> {
    return Effect.suspend(() =>
      this.mayWrite() ? this.beneath.finish() : this.writeElsewhere((view) => view.closeWrite)
    )
  }

  get flushed(): Effect.Effect<void, WebTransportError> {
    return Effect.suspend(() => {
      if (this.isGivenBack) return Effect.fail(givenBack("Write"))
      return this.replacement === undefined ? this.beneath.flushed : this.replacement.value.flushed
    })
  }

  get whenCut(): Effect.Effect<WebTransportError> {
    return Effect.suspend(() => this.current.stream.whenCut)
  }

  get native(): WebTransport.NativeBidirectionalStream {
    return this.replacement === undefined ? this.beneath.native : this.replacement.value.native
  }

  /** After the lease it shows nothing of other borrowers. */
  toJSON(): object {
    return this.isGivenBack ? { _id: "Stream", released: true } : this.current.stream.toJSON()
  }
}
