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
  /** What the platform has looked at, write by write. */
  readonly written: Array<Uint8Array>
  /** From here on the platform is done with no write, until it is told to be. */
  readonly stall: () => Stall
}

export interface Stall {
  readonly resume: () => void
  /** The write that is under way fails, and with it the sending direction. */
  readonly fail: (cause: unknown) => void
}

export interface Options {
  readonly retainsWrites?: boolean
  /** How many writes the platform has room for; 1 if absent. */
  readonly room?: number
}

/** Until all that was sent has arrived. */
export const arrived: Effect.Effect<void> = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

class Pair implements WebTransport.NativeBidirectionalStream {
  readonly written: Array<Uint8Array> = []
  private stalled: Promise<void> | undefined = undefined
  resume: () => void = () => {}
  readonly writable: WritableStream<Uint8Array>
  controller!: ReadableStreamDefaultController<Uint8Array>
  readonly readable = new ReadableStream<Uint8Array>({
    start: (controller) => {
      this.controller = controller
    }
  })

  constructor(room: number) {
    const write = (chunk: Uint8Array) => {
      this.written.push(chunk)
      return this.stalled
    }
    this.writable = new WritableStream<Uint8Array>({ write }, { highWaterMark: room })
  }

  readonly stall = (): Stall => {
    let fail!: (cause: unknown) => void
    this.stalled = new Promise((resolve, reject) => {
      this.resume = () => {
        this.stalled = undefined
        resolve()
      }
      fail = reject
    })
    return { resume: this.resume, fail }
  }
}

class Native implements WebTransport.NativeWebTransport {
  readonly ready = Promise.resolve()
  readonly closed: Promise<unknown>
  close!: (info?: unknown) => void
  readonly datagrams = { readable: new ReadableStream() }
  readonly incomingBidirectionalStreams = new ReadableStream()
  readonly incomingUnidirectionalStreams = new ReadableStream()
  private readonly room: number

  constructor(room = 1) {
    this.room = room
    this.closed = new Promise((resolve) => {
      this.close = resolve
    })
  }

  createBidirectionalStream(): Promise<WebTransport.NativeBidirectionalStream> {
    return Promise.resolve(new Pair(this.room))
  }

  createUnidirectionalStream(): Promise<WebTransport.NativeSendStream> {
    return Promise.resolve(new WritableStream())
  }
}

/** A session whose streams the platform either copies, or goes on using what it was given. */
export const session = (
  options: Options = {}
): Effect.Effect<WebTransport.Session, WebTransportError, Scope.Scope> =>
  Effect.provide(
    WebTransport.fromNative(new Native(options.room)),
    Layer.succeed(WebTransport.WebTransportConstructor, {
      construct: () => new Native(),
      retainsWrites: options.retainsWrites
    })
  )

export const open = (
  session: WebTransport.Session
): Effect.Effect<MemoryStream, WebTransportError, Scope.Scope> =>
  Effect.flatMap(session.createBidirectionalStream(), (stream) => {
    const pair = stream.native as Pair
    const { controller } = pair
    // or it would never end, where a test failed before
    return Effect.as(Effect.addFinalizer(() => Effect.sync(() => pair.resume())), {
      stream,
      internals: stream as unknown as ByteStream,
      send: (...chunks: ReadonlyArray<Uint8Array>) => chunks.forEach((chunk) => controller.enqueue(chunk)),
      finish: () => controller.close(),
      breaks: (cause: unknown) => controller.error(cause),
      written: pair.written,
      stall: pair.stall
    })
  })

export const make = (
  options: Options = {}
): Effect.Effect<MemoryStream, WebTransportError, Scope.Scope> => Effect.flatMap(session(options), open)
