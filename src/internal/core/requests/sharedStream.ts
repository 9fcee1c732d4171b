/** The records of a request pool: its requests, and the streams they share. */
import { type Linked, LinkedList } from "../linkedList.js"

/** The facts about a session that the machine reads. Sessions are told apart by identity. */
export interface RequestSession {
  /** The bytes that came on the session, on any stream. */
  readonly bytesReceived: number
  /** When the last of them came, on the monotonic clock. Read only if the pool has a `silenceTimeout`. */
  readonly heardAt: number
}

/** The facts about a stream that the machine reads. */
export interface SharedStreamFacts<F> {
  readonly session: RequestSession
  /** Why nothing can be sent any more; `undefined` while it can. */
  readonly refusal: F | undefined
}

/** Ids take at most four bytes. A stream with more requests is replaced. */
export const maxIds = 0x4000_0000

/**
 * - `Waiting`: no stream has room for it yet
 * - `Batched`: it leaves with the next write of its stream
 * - `Sent`: its bytes were handed to the transport
 * - `Forgotten`: no caller waits for the answer that may still come
 * - `Ended`: answered, refused, failed, or given up before it was sent
 */
export type RequestState = "Waiting" | "Batched" | "Sent" | "Forgotten" | "Ended"

export class SharedRequest implements Linked<SharedRequest> {
  /** The maximum bytes of its frame. */
  readonly size: number
  readonly answers: "One" | "Many"
  state: RequestState = "Waiting"
  stream: SharedStream<any> | undefined = undefined
  /** Known when the request is sent. */
  id = -1
  /** A number that orders all requests of the pool. */
  ticket = 0
  since = 0
  deadline = Infinity
  /** The bytes of the answers that wait for the consumer. */
  buffered = 0
  previous: SharedRequest | undefined = undefined
  next: SharedRequest | undefined = undefined
  list: LinkedList<any> | undefined = undefined

  constructor(size: number, answers: "One" | "Many") {
    this.size = size
    this.answers = answers
  }

  /** An answer waits for the consumer. An empty one counts as a byte, or such would wait without limit. */
  buffer(size: number): number {
    return this.buffered += Math.max(1, size)
  }

  /** The consumer has taken an answer. */
  consumed(size: number): void {
    this.buffered -= Math.max(1, size)
  }

  /** False: the caller has changed the size of the message, or detached it. */
  get isIntact(): boolean {
    return true
  }
}

const none: ReadonlyArray<SharedRequest> = []

/** A stream that requests share. */
export class SharedStream<Facts extends SharedStreamFacts<any>> {
  readonly facts: Facts
  /** `Leaving`: takes no new requests. `Over`: given back. */
  state: "Open" | "Leaving" | "Over" = "Open"
  /** Whether the transport takes a write. */
  hasRoom = true
  /** The requests of the next write. */
  readonly batch = new LinkedList<SharedRequest>()
  batchSize = 0
  /** Bytes of writes that the transport has not completed. */
  unwritten = 0
  /** Requests with a caller: those in the batch, and those that wait for an answer. */
  live = 0
  /** Sent requests without a caller, whose answer may still come. */
  forgotten = 0
  nextId = 0
  /** The sent requests without their last answer, by id: if answers come in any order. */
  readonly byId = new Map<number, SharedRequest>()
  /** The same, the oldest first: if answers come in turn. */
  readonly inTurn = new LinkedList<SharedRequest>()
  /** Until when waiting requests rely on the stream: its write is under way, and it has places. */
  reliedUntil = Infinity
  /** When the stream, unused, goes back. */
  idleUntil = Infinity

  constructor(facts: Facts) {
    this.facts = facts
  }

  /** Puts the request into the next write. */
  add(request: SharedRequest): void {
    request.stream = this
    request.state = "Batched"
    this.batch.push(request)
    this.batchSize += request.size
    this.live++
    this.idleUntil = Infinity
  }

  /** Takes a request out of the batch. */
  remove(request: SharedRequest): void {
    this.batch.remove(request)
    this.batchSize -= request.size
    this.live--
    request.stream = undefined
  }

  /** Takes the requests out of the batch that cannot be sent any more. */
  takeChanged(): ReadonlyArray<SharedRequest> {
    let changed = none
    for (let request = this.batch.first; request !== undefined; request = request.next) {
      if (!request.isIntact) changed = [...changed, request]
    }
    for (const request of changed) this.remove(request)
    return changed
  }

  /** Empties the batch: its requests are sent now, in this order. */
  send(correlate: boolean): ReadonlyArray<SharedRequest> {
    const sent: Array<SharedRequest> = []
    for (let request = this.batch.first; request !== undefined; request = this.batch.first) {
      this.batch.remove(request)
      request.state = "Sent"
      request.id = this.nextId++
      if (correlate) this.byId.set(request.id, request)
      else this.inTurn.push(request)
      sent.push(request)
    }
    this.unwritten += this.batchSize
    this.batchSize = 0
    return sent
  }

  /** The request has had its last answer. */
  endRequest(request: SharedRequest): void {
    if (request.state === "Forgotten") this.forgotten--
    else this.live--
    request.state = "Ended"
    if (request.list === undefined) this.byId.delete(request.id)
    else this.inTurn.remove(request)
  }

  /** The caller of a sent request has left. */
  forget(request: SharedRequest): void {
    request.state = "Forgotten"
    this.live--
    this.forgotten++
  }

  /** The sent requests without their last answer, the oldest first. */
  get sent(): ReadonlyArray<SharedRequest> {
    const sent = [...this.byId.values()]
    for (let request = this.inTurn.first; request !== undefined; request = request.next) sent.push(request)
    return sent
  }
}
