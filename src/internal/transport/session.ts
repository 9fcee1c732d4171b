/** The handle to a session. */
import { andThen, callback } from "#effect/effect"
import { InspectableClass } from "#effect/inspect"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { CloseInfo, NativeWebTransport } from "../../WebTransportConstructor.js"
import { WebTransportError } from "../../WebTransportError.js"
import { type SessionStats, SessionTypeId, type StreamOptions } from "../../WebTransportSession.js"
import { ByteStream } from "./byteStream.js"
import { checkCloseInfo } from "./closeInfo.js"
import { Datagrams } from "./datagrams.js"
import { afterSessionEnd } from "./failure.js"
import { acceptStream, streamOf, takeNext } from "./incoming.js"
import type { LastCall } from "./lastCall.js"
import { type Kind, type OpeningHandle, openStream } from "./opening.js"
import type { SessionCore } from "./sessionCore.js"
import type { StreamHost } from "./streamHost.js"

/**
 * Whether a session runs over HTTP/2, where unread bytes pile up without limit (fails-components 1.6.8). The sessions of
 * that library's server claim to be unreliable; the manager of its HTTP/2 stream ids tells.
 */
const isOverHttp2 = (native: NativeWebTransport): boolean =>
  native.reliability === "reliable-only" || Predicate.hasProperty(objectOf(native), "streamIdMngrBi")

const objectOf = (native: NativeWebTransport): unknown =>
  Predicate.hasProperty(native, "objint") ? native.objint : undefined

/** The host of the streams of one handle. */
class HandleHost implements StreamHost {
  private readonly core: SessionCore
  /** The open streams of the handle, if the handle ends before the session. */
  private readonly own: Set<ByteStream> | undefined
  private readonly isPing: boolean
  readonly retainsWrites: boolean

  constructor(core: SessionCore, { isPing, streams }: SessionHandle) {
    this.core = core
    this.own = streams
    this.isPing = isPing
    this.retainsWrites = core.retainsWrites
  }

  get isOpen(): boolean {
    return this.core.state === "Open"
  }

  get gone(): WebTransportError | undefined {
    return this.core.gone
  }

  get holdsBack(): boolean {
    return !isOverHttp2(this.core.native)
  }

  get lastCall(): LastCall | undefined {
    return this.core.lastCall
  }

  began(stream: ByteStream): void {
    this.core.streams.add(stream)
    this.own?.add(stream)
  }

  received(bytes: number): void {
    if (this.isPing) this.core.receivedPong(bytes)
    else this.core.received(bytes)
  }

  took(): void {
    this.core.ends.taken++
  }

  ending(stream: ByteStream, isDelivering: boolean): void {
    this.own?.delete(stream)
    this.core.ending(stream, isDelivering)
  }

  delivered(stream: ByteStream): void {
    this.core.ends.delivered(stream)
  }

  ended(stream: ByteStream): void {
    this.core.confirmed(stream)
  }

  failure(reason: "Read" | "Write", detail: string | undefined, cause: unknown): WebTransportError {
    return this.core.failure(reason, detail, cause)
  }
}

/** RFC 9110, section 5.3: fields of the same name form one list. */
const fieldsOf = (pairs: Iterable<readonly [string, string]>): Readonly<Record<string, string>> => {
  const fields = new Map<string, string>()
  for (const [name, value] of pairs) {
    const key = name.toLowerCase()
    const before = fields.get(key)
    fields.set(key, before === undefined ? value : `${before}, ${value}`)
  }
  return Object.fromEntries(fields)
}

/** The platform's figures, if it has any. */
const statsOf = (core: SessionCore): Effect.Effect<Option.Option<SessionStats>, WebTransportError> =>
  callback<Option.Option<SessionStats>, WebTransportError>((resume) => {
    if (core.gone !== undefined) return resume(Effect.fail(core.gone))
    const failed = (cause: unknown) =>
      resume(
        Effect.fail(
          core.gone ?? new WebTransportError({ reason: "Unsupported", detail: "the platform has no stats", cause })
        )
      )
    try {
      const promise = core.native.getStats?.()
      if (promise === undefined) return resume(Effect.succeedNone)
      promise.then((stats) => resume(Effect.succeedSome(stats)), (cause) => afterSessionEnd(cause, () => failed(cause)))
    } catch (cause) {
      failed(cause)
    }
  })

/** The owner's handle, to the whole session. */
export class SessionHandle extends InspectableClass implements OpeningHandle {
  readonly core: SessionCore
  /** The streams of the handle, if it ends before the session. */
  readonly streams: Set<ByteStream> | undefined = undefined
  readonly isPing: boolean = false
  private ownHost: StreamHost | undefined = undefined
  private ownDatagrams: Datagrams | undefined = undefined

  constructor(core: SessionCore) {
    super()
    this.core = core
  }

  get [SessionTypeId](): SessionTypeId {
    return SessionTypeId
  }

  get host(): StreamHost {
    return this.ownHost ??= new HandleHost(this.core, this)
  }

  /** Whether the peer's stream that has just begun is one too many, and is reset. */
  isExcess(): boolean {
    return false
  }

  /** Why the handle can do nothing; `undefined` if it can. */
  get refusal(): WebTransportError | undefined {
    return this.core.gone
  }

  granted(): void {
    this.core.isPingLatest = this.isPing
    this.core.opened()
  }

  createBidirectionalStream(options?: StreamOptions): Effect.Effect<ByteStream, WebTransportError, Scope.Scope> {
    return this.open("Bidirectional", options)
  }

  createUnidirectionalStream(options?: StreamOptions): Effect.Effect<ByteStream, WebTransportError, Scope.Scope> {
    return this.open("Unidirectional", options)
  }

  private open(kind: Kind, options: StreamOptions | undefined) {
    return openStream(this, kind, options)
  }

  get acceptBidirectionalStream(): Effect.Effect<ByteStream, WebTransportError, Scope.Scope> {
    return Effect.suspend(() =>
      acceptStream(this.core.bidirectional, this.core.goneOr, (native) => {
        const stream = new ByteStream(this.host, native, native.readable, native.writable)
        this.core.accepted()
        return stream
      }, () => this.isExcess())
    )
  }

  get acceptUnidirectionalStream(): Effect.Effect<ByteStream, WebTransportError, Scope.Scope> {
    return Effect.suspend(() =>
      acceptStream(this.core.unidirectional, this.core.goneOr, (native) => {
        const stream = new ByteStream(this.host, native, native, undefined)
        this.core.accepted()
        return stream
      }, () => this.isExcess())
    )
  }

  get incomingBidirectionalStreams(): Stream.Stream<ByteStream, WebTransportError, Scope.Scope> {
    return streamOf(() => this.core.bidirectional, this.acceptBidirectionalStream)
  }

  get incomingUnidirectionalStreams(): Stream.Stream<ByteStream, WebTransportError, Scope.Scope> {
    return streamOf(() => this.core.unidirectional, this.acceptUnidirectionalStream)
  }

  get datagrams(): Datagrams {
    return this.ownDatagrams ??= new Datagrams(this)
  }

  get receiveDatagram(): Effect.Effect<Uint8Array, WebTransportError> {
    return Effect.suspend(() => takeNext(this.core.datagrams, this.core.goneOr, Effect.succeed, (arrival) => arrival))
  }

  get closed(): Effect.Effect<CloseInfo, WebTransportError> {
    return Deferred.await(this.core.closure)
  }

  get draining(): Effect.Effect<void> {
    return Deferred.await(this.core.drained)
  }

  get isOpen(): Effect.Effect<boolean> {
    return Effect.sync(() => this.refusal === undefined && this.core.state === "Open")
  }

  get stats(): Effect.Effect<Option.Option<SessionStats>, WebTransportError> {
    return statsOf(this.core)
  }

  close(info?: Partial<CloseInfo>): Effect.Effect<void> {
    return andThen(checkCloseInfo(info), this.core.close(info))
  }

  get reliability(): string | undefined {
    return this.native.reliability
  }

  get protocol(): string | undefined {
    const { protocol } = this.native
    return protocol === "" ? undefined : protocol
  }

  get responseHeaders(): Readonly<Record<string, string>> | undefined {
    const { responseHeaders } = this.native
    return responseHeaders === undefined ? undefined : fieldsOf(responseHeaders)
  }

  get native(): NativeWebTransport {
    return this.core.native
  }

  toJSON(): object {
    const { state, streams, where } = this.core
    return { _id: "Session", with: where, state, streams: streams.size }
  }
}

/** The core of a session, borrowed or not. */
export const viewCore = (session: object): SessionCore => {
  if (session instanceof SessionHandle) return session.core
  throw new TypeError("this Session was not made by WebTransport.connect or WebTransport.fromNative")
}
