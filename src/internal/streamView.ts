/** What a borrower of a pooled stream has: a view, good for one lease. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type { FramingError } from "../FramingError.js"
import type * as WebTransport from "../WebTransport.js"
import { isWebTransportError, WebTransportError } from "../WebTransportError.js"
import { type ByteStream, type Framed, StreamTypeId, untilNone } from "./byteStream.js"
import type { Fate, Internals, SyncLease } from "./resourcePool.js"
import type { Failure, PooledStream, StreamSource } from "./streamSource.js"

const givenBack = (reason: "Read" | "Write") =>
  new WebTransportError({
    reason,
    detail: "this stream was given back to its pool",
    advice: "use it within the effect or scope that borrowed it"
  })

const spokeFirst = () =>
  new WebTransportError({
    reason: "Read",
    detail: "the peer sent something, or ended the stream, before anything was written",
    advice: "write first, or give the pool the option clientSpeaksFirst: false"
  })

const noOther = (cause: Failure) =>
  isWebTransportError(cause) ? cause : new WebTransportError({
    reason: "StreamOpen",
    detail: "the stream broke before it was of use, and there was no other",
    cause
  })

/** What the views of a pool share. */
export interface Home {
  readonly source: StreamSource
  readonly clientSpeaksFirst: boolean
  pool: Internals<WebTransport.BidirectionalStream, Failure>
}

export class StreamView implements WebTransport.BidirectionalStream, Framed {
  readonly pooled: PooledStream
  private readonly home: Home
  /** Checks are about this one stream; a borrower gets another one if it breaks before it was of use. */
  private readonly isReplaceable: boolean
  private replacement: SyncLease<StreamView> | undefined = undefined
  private hasWritten = false
  private hasRead = false
  private isGivenBack = false
  /** Whether it is not to be lent again, however it comes back. */
  isForOneUse = false

  constructor(home: Home, pooled: PooledStream, isReplaceable = true) {
    this.home = home
    this.pooled = pooled
    this.isReplaceable = isReplaceable
    pooled.holder = this
    pooled.uses++
    pooled.branch.lent++
  }

  get [StreamTypeId](): WebTransport.StreamTypeId {
    return StreamTypeId
  }

  /** Whether bytes were handed to the transport. */
  get wasWritten(): boolean {
    return this.replacement?.value.wasWritten ?? this.hasWritten
  }

  private get beneath(): ByteStream {
    return this.pooled.stream
  }

  /** Whether the stream broke, or brought what nobody asked for, before it was of use. */
  private get isUnfit(): boolean {
    if (this.hasWritten) return false
    return this.home.clientSpeaksFirst
      ? !this.beneath.isClean
      : !this.hasRead && this.beneath.endedBecause !== undefined
  }

  /** Something came, or the stream broke: one that is unfit goes at once, and whoever writes on it gets another. */
  onChange(): void {
    if (this.home.clientSpeaksFirst && this.isUnfit) this.pooled.control?.lost()
  }

  private writing<A, E>(
    write: (stream: Pick<StreamView, "write" | "writeOwned" | "closeWrite">) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | WebTransportError> {
    return Effect.suspend((): Effect.Effect<A, E | WebTransportError> => {
      if (this.isGivenBack) return Effect.fail(givenBack("Write"))
      if (this.replacement !== undefined) return write(this.replacement.value)
      if (this.isReplaceable && this.isUnfit) return Effect.zipRight(this.replace, this.writing(write))
      if (this.beneath.sending === "Open") this.hasWritten = true
      return write(this.beneath)
    })
  }

  private reading<A, E>(
    read: (stream: Pick<StreamView, "read" | "readExactly" | "readMessage">) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | WebTransportError> {
    return Effect.suspend((): Effect.Effect<A, E | WebTransportError> => {
      if (this.isGivenBack) return Effect.fail(givenBack("Read"))
      if (this.replacement !== undefined) return read(this.replacement.value)
      if (this.home.clientSpeaksFirst && this.isUnfit) return Effect.fail(spokeFirst())
      this.hasRead = true
      return read(this.beneath)
    })
  }

  private get replace(): Effect.Effect<void, WebTransportError> {
    return Effect.mapError(
      this.home.pool.lend((lease) => {
        if (this.isGivenBack || this.replacement !== undefined) lease.giveBack(Exit.void)
        else this.replacement = lease as SyncLease<StreamView>
      }),
      noOther
    )
  }

  /** The end of the lease. Whether the stream may be used again. */
  private finish(exit: Exit.Exit<unknown, unknown>): boolean {
    this.isGivenBack = true
    this.replacement?.giveBack(exit)
    const { pooled } = this
    const { branch, stream } = pooled
    pooled.holder = undefined
    branch.lent--
    const { isOverdue } = stream
    if (isOverdue) this.home.source.suspect(branch)
    pooled.isSpoiled = isOverdue || Exit.isFailure(exit)
    return !pooled.isSpoiled && !this.isForOneUse && stream.isClean
  }

  end(exit: Exit.Exit<unknown, unknown>): Fate {
    if (this.isGivenBack) return "keep"
    const isFit = this.finish(exit)
    const { branch } = this.pooled
    const { source } = this.home
    const leaves = source.isLeaving(branch) || source.giveWay(branch)
    if (!isFit) return "discard"
    return leaves ? "retire" : "keep"
  }

  /** Of a check of this one stream: whether it passed and left the stream clean. */
  endCheck(exit: Exit.Exit<unknown, unknown>): boolean {
    const isFit = this.finish(exit)
    this.home.source.giveWay(this.pooled.branch)
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
      return this.replacement === undefined ? this.beneath.reset(code) : this.replacement.value.reset(code)
    })
  }

  get read(): Effect.Effect<Option.Option<Uint8Array>, WebTransportError> {
    return this.reading((stream) => stream.read)
  }

  readExactly(size: number): Effect.Effect<Uint8Array, WebTransportError> {
    return this.reading((stream) => stream.readExactly(size))
  }

  readMessage(max: number): Effect.Effect<Option.Option<Uint8Array>, WebTransportError | FramingError> {
    return this.reading((stream) => stream.readMessage(max))
  }

  get stream(): Stream.Stream<Uint8Array, WebTransportError> {
    return untilNone(this.read)
  }

  write(bytes: Uint8Array): Effect.Effect<void, WebTransportError> {
    return bytes.byteLength === 0 ? Effect.void : this.writing((stream) => stream.write(bytes))
  }

  writeOwned(bytes: Uint8Array): Effect.Effect<void, WebTransportError> {
    return this.writing((stream) => stream.writeOwned(bytes))
  }

  get sink(): Sink.Sink<void, Uint8Array, never, WebTransportError> {
    return Sink.forEach((bytes: Uint8Array) => this.write(bytes))
  }

  get closeWrite(): Effect.Effect<void, WebTransportError> {
    return this.writing((stream) => stream.closeWrite)
  }

  get native(): WebTransport.NativeBidirectionalStream {
    return this.replacement === undefined ? this.beneath.native : this.replacement.value.native
  }
}
