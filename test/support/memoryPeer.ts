/** A peer in this process: sessions whose streams carry bytes from one side to the other within a task. */
import * as WebTransport from "../../src/WebTransport.js"

export interface PeerStream {
  readonly native: WebTransport.NativeBidirectionalStream
  /** To the client. Nothing happens if that has ended it. */
  readonly send: (bytes: Uint8Array) => void
  readonly finish: () => void
  readonly reset: () => void
  /** How often the client ended its side of reading and of writing. */
  cancels: number
  finishes: number
  resets: number
  /** Called in the step in which the client hands bytes over. */
  onWrite: (bytes: Uint8Array) => void
}

/** What the peer does with what a client writes; a promise keeps the write pending. */
export type OnBytes = (stream: PeerStream, bytes: Uint8Array) => void | Promise<void>

const makeStream = (onBytes: OnBytes): PeerStream => {
  let controller!: ReadableStreamDefaultController<Uint8Array>
  let isOpen = true
  const orderly = (f: () => void) => () => {
    if (!isOpen) return
    isOpen = false
    f()
  }
  const readable = new ReadableStream<Uint8Array>({
    start: (given) => {
      controller = given
    },
    cancel: () => {
      isOpen = false
      stream.cancels++
    }
  })
  const writable = new WritableStream<Uint8Array>({
    write: (bytes) => onBytes(stream, bytes),
    close: () => {
      stream.finishes++
    },
    abort: () => {
      stream.resets++
    }
  })
  const getWriter = writable.getWriter.bind(writable)
  writable.getWriter = () => {
    const writer = getWriter()
    const write = writer.write.bind(writer)
    writer.write = (bytes) => {
      if (bytes !== undefined) stream.onWrite(bytes)
      return write(bytes)
    }
    return writer
  }
  const stream: PeerStream = {
    native: { readable, writable },
    send: (bytes) => {
      if (isOpen) controller.enqueue(bytes)
    },
    finish: orderly(() => controller.close()),
    reset: orderly(() => controller.error(new Error("reset"))),
    cancels: 0,
    finishes: 0,
    resets: 0,
    onWrite: () => {}
  }
  return stream
}

export class MemoryPeer implements WebTransport.NativeWebTransport {
  readonly ready = Promise.resolve()
  readonly closed: Promise<unknown>
  close!: (info?: unknown) => void
  readonly datagrams = { readable: new ReadableStream() }
  readonly incomingBidirectionalStreams = new ReadableStream()
  readonly incomingUnidirectionalStreams = new ReadableStream()
  readonly streams: Array<PeerStream> = []
  private readonly onBytes: OnBytes

  constructor(onBytes: OnBytes) {
    this.onBytes = onBytes
    this.closed = new Promise((resolve) => {
      this.close = resolve
    })
  }

  /** May be replaced: by one that refuses, or keeps the client waiting. */
  create = (): Promise<PeerStream> => Promise.resolve(makeStream(this.onBytes))

  async createBidirectionalStream(): Promise<WebTransport.NativeBidirectionalStream> {
    const stream = await this.create()
    this.streams.push(stream)
    return stream.native
  }

  createUnidirectionalStream(): Promise<WebTransport.NativeSendStream> {
    return Promise.reject(new Error("not here"))
  }
}

/** What was ended by the client, once in each direction. */
export const isEnded = (stream: PeerStream): boolean => stream.cancels === 1 && stream.finishes + stream.resets === 1

export const isUntouched = (stream: PeerStream): boolean =>
  stream.cancels === 0 && stream.finishes + stream.resets === 0
