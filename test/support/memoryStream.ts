/** A stream of a session with no transport under it: the test says what the peer sends, and sees what it is sent. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { ByteStream } from "../../src/internal/byteStream.js"
import * as WebTransport from "../../src/WebTransport.js"
import type { WebTransportError } from "../../src/WebTransportError.js"

export interface MemoryStream {
  readonly stream: WebTransport.BidirectionalStream
  /** The same, to look inside. */
  readonly internals: ByteStream
  /** Each is a chunk that arrives. */
  readonly send: (...chunks: ReadonlyArray<Uint8Array>) => void
  /** The peer's FIN. */
  readonly finish: () => void
  readonly breaks: (cause: unknown) => void
  /** What was handed to the platform, write by write. */
  readonly written: Array<Uint8Array>
}

/** Until all that was sent has arrived. */
export const arrived: Effect.Effect<void> = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

class Pair implements WebTransport.NativeBidirectionalStream {
  readonly written: Array<Uint8Array> = []
  controller!: ReadableStreamDefaultController<Uint8Array>
  readonly readable = new ReadableStream<Uint8Array>({
    start: (controller) => {
      this.controller = controller
    }
  })
  readonly writable = new WritableStream<Uint8Array>({ write: (chunk) => void this.written.push(chunk) })
}

class Native implements WebTransport.NativeWebTransport {
  readonly ready = Promise.resolve()
  readonly closed: Promise<unknown>
  close!: (info?: unknown) => void
  readonly datagrams = { readable: new ReadableStream() }
  readonly incomingBidirectionalStreams = new ReadableStream()
  readonly incomingUnidirectionalStreams = new ReadableStream()

  constructor() {
    this.closed = new Promise((resolve) => {
      this.close = resolve
    })
  }

  createBidirectionalStream(): Promise<WebTransport.NativeBidirectionalStream> {
    return Promise.resolve(new Pair())
  }

  createUnidirectionalStream(): Promise<WebTransport.NativeSendStream> {
    return Promise.resolve(new WritableStream())
  }
}

/** A session whose streams the platform either copies, or goes on using what it was given. */
export const session = (
  options?: { readonly retainsWrites: boolean }
): Effect.Effect<WebTransport.Session, WebTransportError, Scope.Scope> =>
  Effect.provide(
    WebTransport.fromNative(new Native()),
    Layer.succeed(WebTransport.WebTransportConstructor, {
      construct: () => new Native(),
      retainsWrites: options?.retainsWrites
    })
  )

export const open = (
  session: WebTransport.Session
): Effect.Effect<MemoryStream, WebTransportError, Scope.Scope> =>
  Effect.map(session.createBidirectionalStream(), (stream) => {
    const { controller, written } = stream.native as Pair
    return {
      stream,
      internals: stream as unknown as ByteStream,
      send: (...chunks) => chunks.forEach((chunk) => controller.enqueue(chunk)),
      finish: () => controller.close(),
      breaks: (cause) => controller.error(cause),
      written
    }
  })

export const make = (
  options?: { readonly retainsWrites: boolean }
): Effect.Effect<MemoryStream, WebTransportError, Scope.Scope> => Effect.flatMap(session(options), open)
