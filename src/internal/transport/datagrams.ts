/** Datagrams of a session: messages in a single packet, which may be lost. */
import { callback } from "#effect/effect"
import { InspectableClass } from "#effect/inspect"
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { NativeDatagrams } from "../../WebTransportConstructor.js"
import { WebTransportError } from "../../WebTransportError.js"
import { copyOf } from "../core/copyBytes.js"
import { isBytes, notBytes } from "../core/kinds.js"
import { afterSessionEnd } from "./failure.js"
import { type IncomingQueue, streamOf } from "./incoming.js"
import type { Resume } from "./wait.js"

/** The session, as its datagrams see it. */
export interface DatagramSession {
  readonly native: { readonly datagrams: NativeDatagrams }
  /** Why the session can send nothing any more; `undefined` while it can. */
  readonly gone: WebTransportError | undefined
  readonly retainsWrites: boolean
  failure(reason: "Write", detail: string, cause: unknown): WebTransportError
}

export class DatagramSender {
  private readonly session: DatagramSession
  private writer: WritableStreamDefaultWriter<Uint8Array> | undefined = undefined
  private readonly pending = new Set<Resume>()

  constructor(session: DatagramSession) {
    this.session = session
  }

  get maxSize(): number {
    return this.session.native.datagrams.maxDatagramSize ?? Number.POSITIVE_INFINITY
  }

  send(bytes: Uint8Array): Effect.Effect<void, WebTransportError> {
    return callback<void, WebTransportError>((resume) => {
      const { gone, retainsWrites } = this.session
      if (gone !== undefined) return resume(Effect.fail(gone))
      if (!isBytes(bytes)) return resume(Effect.die(notBytes("a datagram", bytes)))
      const limit = this.maxSize
      const size = bytes.byteLength
      if (size > limit) {
        const detail = `${size} bytes; a datagram holds at most ${limit}`
        return resume(Effect.fail(new WebTransportError({ reason: "DatagramTooLarge", detail, size, limit })))
      }
      const done = (effect: Effect.Effect<void, WebTransportError>) => {
        this.pending.delete(done)
        resume(effect)
      }
      this.pending.add(done)
      try {
        // an interrupted sender may reuse the bytes while they still wait
        this.outgoing().write(retainsWrites ? copyOf(bytes) : new Uint8Array(bytes)).then(
          () => done(Effect.void),
          (cause) => afterSessionEnd(cause, () => done(Effect.fail(this.failure(cause))))
        )
      } catch (cause) {
        done(Effect.fail(this.failure(cause)))
      }
      return Effect.sync(() => this.pending.delete(done))
    })
  }

  /** The session is gone. */
  end(error: WebTransportError): void {
    for (const resume of [...this.pending]) resume(Effect.fail(error))
  }

  private failure(cause: unknown): WebTransportError {
    return this.session.failure("Write", "the datagram could not be sent", cause)
  }

  private outgoing(): WritableStreamDefaultWriter<Uint8Array> {
    if (this.writer !== undefined) return this.writer
    const { datagrams } = this.session.native
    // `writable` is the older name, and warns where there is a newer one (fails-components 1.6.8).
    const writable = datagrams.createWritable === undefined ? datagrams.writable : datagrams.createWritable()
    if (writable === undefined) {
      throw new Error("the platform has neither datagrams.createWritable nor datagrams.writable")
    }
    const writer: WritableStreamDefaultWriter<Uint8Array> = writable.getWriter()
    writer.closed.then(undefined, () => {})
    return this.writer = writer
  }
}

/** The handle of a session that datagrams are sent and received through. */
export interface DatagramHandle {
  readonly core: { readonly outgoingDatagrams: DatagramSender; readonly datagrams: IncomingQueue<Uint8Array> }
  readonly refusal: WebTransportError | undefined
  readonly receiveDatagram: Effect.Effect<Uint8Array, WebTransportError>
  toJSON(): object
}

export class Datagrams extends InspectableClass {
  private readonly handle: DatagramHandle

  constructor(handle: DatagramHandle) {
    super()
    this.handle = handle
  }

  send(bytes: Uint8Array): Effect.Effect<void, WebTransportError> {
    return Effect.suspend(() => {
      const { core, refusal } = this.handle
      return refusal === undefined ? core.outgoingDatagrams.send(bytes) : Effect.fail(refusal)
    })
  }

  get receive(): Effect.Effect<Uint8Array, WebTransportError> {
    return this.handle.receiveDatagram
  }

  get stream(): Stream.Stream<Uint8Array, WebTransportError> {
    return streamOf(() => this.handle.core.datagrams, this.receive)
  }

  get maxSize(): number {
    return this.handle.core.outgoingDatagrams.maxSize
  }

  toJSON(): object {
    return { _id: "Datagrams", session: this.handle.toJSON() }
  }
}
