/** A stream of the link in memory: the client's native side and the server's side. */
import { callback } from "#effect/effect"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { NativeBidirectionalStream } from "../../../WebTransportConstructor.js"
import { WebTransportError } from "../../../WebTransportError.js"
import type { Behaviour, ServerStream } from "./contract.js"
import type { Credit } from "./credit.js"
import { ignore, nativeError, type Settle } from "./settle.js"

/** The directions of a stream, as seen by the client. */
export type Kind = "Bidirectional" | "Outgoing" | "Incoming"

/** The session, as a stream sees it. */
interface StreamSession {
  readonly behaviour: Behaviour
  readonly isHung: boolean
  /** The stream has ended in every direction. */
  ended(stream: TestStream): void
}

export class TestStream implements ServerStream {
  readonly native: NativeBidirectionalStream
  readonly kind: Kind
  /** The credit that the stream returns at its end, if the client opened it. */
  readonly credit: Credit | undefined
  private readonly session: StreamSession
  private toClient!: ReadableStreamDefaultController<Uint8Array>
  private fromClient!: WritableStreamDefaultController
  private readonly chunks: Array<Uint8Array> = []
  private wake: () => void = ignore
  private isReceiving: boolean
  isCancelled = false
  sending: ServerStream["sending"]
  /** Settles the pending write while the server does not read. */
  private stalled: Settle<void> | undefined
  private isStalled = false

  constructor(session: StreamSession, kind: Kind, credit: Credit | undefined) {
    const { confirmEnds = true, writeRoom = 1 } = session.behaviour
    this.session = session
    this.kind = kind
    this.credit = credit
    this.isReceiving = kind !== "Outgoing"
    this.sending = kind === "Incoming" ? "Finished" : "Open"
    const confirmed = () => confirmEnds ? undefined : new Promise<void>(ignore)
    const readable = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.toClient = controller
      },
      cancel: () => {
        this.isCancelled = true
        this.endReceiving()
        return confirmed()
      }
    })
    const writable = new WritableStream<Uint8Array>({
      start: (controller) => {
        this.fromClient = controller
      },
      write: (chunk) => {
        // a copy, as on a network: the client may reuse its buffer
        this.chunks.push(new Uint8Array(chunk))
        this.notify()
        if (!this.isStalled) return undefined
        return new Promise<void>((resolve, reject) => {
          this.stalled = { resolve, reject }
        })
      },
      close: () => {
        this.endSending("Finished")
        return confirmed()
      },
      abort: () => {
        this.endSending("Reset")
        return confirmed()
      }
    }, { highWaterMark: writeRoom })
    this.native = { readable, writable }
  }

  private get isOpen(): boolean {
    return this.isReceiving || this.sending === "Open"
  }

  notify(): void {
    if (!this.session.isHung) this.wake()
  }

  private endReceiving(): void {
    const wasOpen = this.isOpen
    this.isReceiving = false
    if (wasOpen && !this.isOpen) this.session.ended(this)
  }

  private endSending(how: "Finished" | "Reset"): void {
    const wasOpen = this.isOpen
    this.sending = how
    this.notify()
    if (wasOpen && !this.isOpen) this.session.ended(this)
  }

  /** Fails the sending direction, and a write that the server has not taken. */
  private failSending(error: Error): void {
    this.stalled?.reject(error)
    this.fromClient.error(error)
  }

  /** The session is gone, and so is the stream. */
  lose(error: Error): void {
    if (this.isReceiving) this.toClient.error(error)
    this.isReceiving = false
    if (this.sending === "Open") {
      this.sending = "Reset"
      this.failSending(error)
    }
    this.wake()
  }

  readonly read: Effect.Effect<Option.Option<Uint8Array>, WebTransportError> = callback((resume) => {
    const take = () => {
      if (this.sending === "Reset") {
        resume(Effect.fail(new WebTransportError({ reason: "Read", detail: "the client reset the stream" })))
      } else if (this.chunks.length > 0) {
        resume(Effect.succeed(Option.some(this.chunks.shift()!)))
      } else if (this.sending === "Finished") {
        resume(Effect.succeed(Option.none()))
      } else {
        return
      }
      this.wake = ignore
    }
    this.wake = take
    this.notify()
    return Effect.sync(() => {
      this.wake = ignore
    })
  })

  /** Runs `f` if the session hears the server and the client still receives. */
  private readonly whileReceiving = (f: () => void): Effect.Effect<void> =>
    Effect.sync(() => {
      if (this.isReceiving && !this.session.isHung) f()
    })

  readonly write = (bytes: Uint8Array): Effect.Effect<void> =>
    this.whileReceiving(() => {
      this.toClient.enqueue(new Uint8Array(bytes))
    })

  readonly finish = this.whileReceiving(() => {
    this.toClient.close()
    this.endReceiving()
  })

  readonly reset = this.whileReceiving(() => {
    this.toClient.error(nativeError("WebTransportError", "the peer reset the stream"))
    this.endReceiving()
  })

  readonly stopSending = Effect.sync(() => {
    if (this.sending !== "Open" || this.session.isHung) return
    this.failSending(nativeError("WebTransportError", "the peer stopped the stream"))
    this.endSending("Reset")
  })

  readonly stall = Effect.sync(() => {
    this.isStalled = true
  })

  readonly resume = Effect.sync(() => {
    this.isStalled = false
    this.stalled?.resolve()
    this.stalled = undefined
  })
}
