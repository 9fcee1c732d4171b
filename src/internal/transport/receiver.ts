/** The receiving direction of a stream: one native reader, an inbox, and the fiber that waits for bytes. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { FramingError } from "../../FramingError.js"
import type { NativeReceiveStream } from "../../WebTransportConstructor.js"
import { WebTransportError } from "../../WebTransportError.js"
import { Inbox, twoReads } from "../core/bytes/inbox.js"
import type { Direction } from "../core/streams/cleanliness.js"
import { afterSessionEnd, framingError } from "./failure.js"
import type { StreamSide } from "./streamHost.js"
import { makeWaitSlot, type Outcome } from "./wait.js"

const noBytes = Effect.succeed(Option.none<Uint8Array>())

export class Receiver {
  private readonly stream: StreamSide
  /** The same reader for the whole life: `releaseLock` during a read would lose bytes to the next reader. */
  readonly reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  state: Direction
  readonly inbox = new Inbox()
  bytesReceived = 0
  readonly slot = makeWaitSlot(twoReads)
  private readPending = false
  private failure: WebTransportError | undefined = undefined

  private bytesOutcome: Outcome<Option.Option<Uint8Array>, WebTransportError> | undefined = undefined
  private takeEffect: Effect.Effect<Option.Option<Uint8Array>> | undefined = undefined
  private exactOutcome: Outcome<Uint8Array, WebTransportError> | undefined = undefined
  private exactSize = 0
  private messageOutcome: Outcome<Option.Option<Uint8Array>, WebTransportError | FramingError> | undefined = undefined
  private messageMax = 0
  private takeMessageEffect: Effect.Effect<Option.Option<Uint8Array>> | undefined = undefined

  constructor(stream: StreamSide, readable: NativeReceiveStream | undefined) {
    this.stream = stream
    this.reader = readable?.getReader()
    this.state = this.reader === undefined ? "Absent" : "Open"
  }

  start(): void {
    if (this.reader === undefined) return
    // While the inbox is full, no pending read tells of a reset.
    this.reader.closed.then(undefined, this.onReadFailed)
    this.pull()
  }

  /** Whether a native read is pending, without a fiber that waits for it. */
  get isReadPending(): boolean {
    return this.readPending && !this.slot.isTaken
  }

  /** Whether a read was interrupted, and no bytes have come since. */
  get isOverdue(): boolean {
    return !this.slot.isTaken && this.slot.isAbandoned
  }

  /** For plain code: takes the bytes that have come, if any. No fiber may read meanwhile. */
  takeNow(): Uint8Array | undefined {
    return this.inbox.hasBytes ? this.refilled(this.inbox.take()) : undefined
  }

  // --- outcomes

  /** The outcome of `read`. */
  get bytes(): Outcome<Option.Option<Uint8Array>, WebTransportError> {
    return this.bytesOutcome ??= () => {
      if (this.inbox.hasBytes) {
        return this.takeEffect ??= Effect.sync(() => Option.some(this.refilled(this.inbox.take())))
      }
      if (this.state === "Open") return undefined
      return this.state === "Failed" ? Effect.fail(this.refusal()) : noBytes
    }
  }

  /** The outcome of `readExactly`. */
  exactly(size: number): Outcome<Uint8Array, WebTransportError> {
    if (this.exactOutcome !== undefined && this.exactSize === size) return this.exactOutcome
    if (!Number.isSafeInteger(size) || size < 0) {
      return () => Effect.die(new RangeError(`readExactly: size must be a whole number of bytes, not ${size}`))
    }
    const take = Effect.sync(() => this.refilled(this.inbox.cut(size)))
    this.exactSize = size
    return this.exactOutcome = () => {
      if (this.refilled(this.inbox.gather(size))) return take
      if (this.state === "Open") return undefined
      if (this.state === "Failed") return Effect.fail(this.refusal())
      return Effect.fail(
        new WebTransportError({
          reason: "Read",
          detail: `the peer finished the stream after ${this.inbox.keptSize} of ${size} bytes`,
          advice: "use read for the remaining bytes, or send the request again on another stream"
        })
      )
    }
  }

  /** The outcome of `readMessage`: a message of at most `max` bytes; none if the peer finished between two messages. */
  messages(max: number): Outcome<Option.Option<Uint8Array>, WebTransportError | FramingError> {
    if (this.messageOutcome !== undefined && this.messageMax === max) return this.messageOutcome
    this.messageMax = max
    return this.messageOutcome = () => this.message(max)
  }

  private message(
    max: number
  ): Effect.Effect<Option.Option<Uint8Array>, WebTransportError | FramingError> | undefined {
    const found = this.refilled(this.inbox.assemble(max))
    if (found === "Oversized") return Effect.fail(framingError(this.inbox.oversized(max)))
    if (found === "Whole") return this.takeMessageEffect ??= Effect.sync(() => Option.some(this.inbox.takeMessage()))
    if (this.state === "Open") return undefined
    if (this.state === "Failed") return Effect.fail(this.refusal())
    const problem = this.inbox.truncated()
    return problem === undefined ? noBytes : Effect.fail(framingError(problem))
  }

  /** Returns `taken`; asks for the next chunk if the inbox has room again. */
  private refilled<A>(taken: A): A {
    if (this.inbox.hasRoom && !this.readPending && this.state === "Open") this.pull()
    return taken
  }

  /** Why nothing more is read. */
  refusal(): WebTransportError {
    return this.failure ??= new WebTransportError({ reason: "Read", detail: this.stream.endedBecause })
  }

  // --- native reads

  private pull(): void {
    this.readPending = true
    this.reader!.read().then(this.onRead, this.onReadFailed)
  }

  private readonly onRead = (next: ReadableStreamReadResult<Uint8Array>): void => {
    this.readPending = false
    if (this.state !== "Open") return
    if (next.done) {
      this.state = "Finished"
      this.stream.signalLost()
    } else if (next.value.byteLength === 0) {
      return this.pull()
    } else {
      this.slot.arrived()
      this.inbox.put(next.value)
      this.bytesReceived += next.value.byteLength
      this.stream.host.received(next.value.byteLength)
      this.stream.changed()
    }
    this.slot.wake()
    this.slot.isAbandoned = false
  }

  private readonly onReadFailed = (cause: unknown): void => {
    afterSessionEnd(cause, () => {
      this.readPending = false
      this.fail(() => this.stream.host.failure("Read", "the stream was reset or broke", cause))
    })
  }

  /** Makes the error only if needed: its stack is expensive, and every stream ends. */
  fail(error: () => WebTransportError): void {
    if (this.state !== "Open") return
    this.state = "Failed"
    const failure = this.failure = error()
    this.stream.broke(failure)
    this.slot.wake()
  }
}
