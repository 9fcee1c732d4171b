/**
 * Sessions with no transport under them, whose peer echoes all but what begins with a dash: for what a real peer cannot be brought to do, and for the
 * TestClock. They grant streams as `Behaviour` says, and count how they are asked.
 */
import * as WebTransport from "effect-pools/WebTransport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export interface Behaviour {
  /** How many streams it grants beside those whose credit came back. No limit. */
  readonly credit?: number | undefined
  /** For so many streams that ended it grants as many again, at once. 1; `Infinity`: never. */
  readonly batch?: number | undefined
  /** What becomes of one that is not granted: refused, as over HTTP/2, or kept until it is, as over HTTP/3. */
  readonly beyond?: "refuse" | "wait" | undefined
  /** Whether it confirms the ends of streams. Yes. */
  readonly confirms?: boolean | undefined
  /** Whether connecting fails. No. */
  readonly fails?: boolean | undefined
}

export const unanswered = new TextEncoder().encode("-")

class MemoryStream implements WebTransport.NativeBidirectionalStream {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>

  constructor(session: MemorySession) {
    let halves = 2
    const end = () => {
      if (--halves === 0) session.ended(this)
      return session.behaviour.confirms === false ? new Promise<void>(() => {}) : undefined
    }
    let peer!: ReadableStreamDefaultController<Uint8Array>
    this.readable = new ReadableStream({
      start: (controller) => {
        peer = controller
      },
      cancel: end
    })
    this.writable = new WritableStream({
      write: (chunk) => {
        if (chunk[0] !== unanswered[0]) peer.enqueue(new Uint8Array(chunk))
      },
      close: end,
      abort: end
    })
  }
}

export class MemorySession implements WebTransport.NativeWebTransport {
  readonly behaviour: Behaviour
  readonly ready: Promise<void>
  readonly closed: Promise<unknown>
  readonly datagrams = { readable: new ReadableStream<Uint8Array>() }
  readonly incomingBidirectionalStreams = new ReadableStream<never>()
  readonly incomingUnidirectionalStreams = new ReadableStream<never>()
  private end!: (info: unknown) => void
  private credit: number
  private returned = 0
  private readonly waiting: Array<() => void> = []
  readonly open = new Set<MemoryStream>()
  /** How often it was asked for a stream, and how often it refused. */
  asked = 0
  refused = 0
  granted = 0
  /** Asked and not answered. */
  outstanding = 0
  mostOutstanding = 0
  /** While it is set, whoever asks for a stream gets it only after `letGo`. */
  isHolding = false
  isClosed = false

  constructor(behaviour: Behaviour = {}) {
    this.behaviour = behaviour
    this.credit = behaviour.credit ?? Infinity
    this.ready = behaviour.fails === true ? Promise.reject(new Error("nobody there")) : Promise.resolve()
    this.closed = new Promise((resolve) => {
      this.end = resolve
    })
  }

  createBidirectionalStream(): Promise<WebTransport.NativeBidirectionalStream> {
    this.asked++
    this.mostOutstanding = Math.max(this.mostOutstanding, ++this.outstanding)
    return new Promise((resolve, reject) => {
      const grant = () => {
        this.credit--
        this.granted++
        this.outstanding--
        const stream = new MemoryStream(this)
        this.open.add(stream)
        resolve(stream)
      }
      if (this.isHolding || (this.credit <= 0 && this.behaviour.beyond === "wait")) {
        this.waiting.push(grant)
      } else if (this.credit > 0) {
        // never in the step that asks
        queueMicrotask(grant)
      } else {
        this.refused++
        this.outstanding--
        reject(Object.assign(new Error("no more streams"), { name: "QuotaExceededError" }))
      }
    })
  }

  createUnidirectionalStream(): Promise<WebTransport.NativeSendStream> {
    return Promise.reject(new Error("not here"))
  }

  close(info?: unknown): void {
    this.isClosed = true
    this.end(info)
  }

  /** Grants what was held back. */
  letGo(): void {
    this.isHolding = false
    while (this.waiting.length > 0 && this.credit > 0) this.waiting.shift()!()
  }

  ended(stream: MemoryStream): void {
    this.open.delete(stream)
    const { batch = 1 } = this.behaviour
    if (++this.returned < batch) return
    this.credit += this.returned
    this.returned = 0
    if (!this.isHolding) this.letGo()
  }
}

/** A session over one, with which the test can see and do what a peer does. */
export const session = (behaviour?: Behaviour) => {
  const native = new MemorySession(behaviour)
  return Effect.map(
    Effect.provide(WebTransport.fromNative(native), constructor(() => native)),
    (session) => ({ native, session })
  )
}

const constructor = (construct: () => MemorySession) =>
  Layer.succeed(WebTransport.WebTransportConstructor, { construct })

/** What connects to such peers, one after the other. */
export const transport = (behaviour?: Behaviour | ((index: number) => Behaviour)) => {
  const sessions: Array<MemorySession> = []
  const layer = constructor(() => {
    const session = new MemorySession(typeof behaviour === "function" ? behaviour(sessions.length) : behaviour)
    sessions.push(session)
    return session
  })
  return { sessions, layer }
}

/** Lets fibers, and what the platform promises, run until all wait for something. */
export const quiet: Effect.Effect<void> = Effect.repeatN(
  Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve))),
  20
)
