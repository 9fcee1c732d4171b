/** A stream machine for tests of single rules. Other than in the model, its environment does nothing by itself. */
import { assert } from "vitest"
import type { Direction } from "../../../../src/internal/core/streams/cleanliness.js"
import {
  LaneStream,
  type OpenStreamFacts,
  type SessionFacts,
  SessionLane,
  type SessionState
} from "../../../../src/internal/core/streams/sessionLane.js"
import { fixedSupply } from "../../../../src/internal/core/streams/sessionSupply.js"
import {
  type StreamCommand,
  type StreamMachineOptions,
  StreamRequest
} from "../../../../src/internal/core/streams/streamCommands.js"
import { StreamMachine } from "../../../../src/internal/core/streams/streamMachine.js"

export class Session implements SessionFacts {
  gone: string | undefined = undefined
  state: SessionState = "Open"
  isRetired = false
  bytesReceived = 0
  streamsOpened = 0
  taken = 0
  readonly pings = { size: 0 }
  mayBeOwedCredit = false
  isPingLatest = false
}

class Stream implements OpenStreamFacts {
  receiving: Direction = "Open"
  sending: Direction = "Open"
  isInboxEmpty = true
  isReadPending = true
  areWritesSettled = true
  isOverdue = false
  isSessionAlive = true
  isSending = false
  isWriting = false
}

export type Lane = SessionLane<Session>
export type Pooled = LaneStream<Stream, Session>
type Command = StreamCommand<string, Pooled, Lane, StreamRequest<Pooled>>

interface Setting extends Partial<StreamMachineOptions> {
  /** The only session, if it is the caller's. */
  readonly fixed?: Lane
  /** Otherwise the test starts the machine. */
  readonly starts?: false
}

/** A machine under a clock of its own, and all that it has asked for. */
export class Pool {
  readonly commands: Array<Command> = []
  readonly machine: StreamMachine<Session, Pooled, StreamRequest<Pooled>, string>
  readonly supply = { isFixed: false, isOpen: true, waiting: 0, excess: 0 }
  readonly demand = { waiting: 0, needed: 0, wanted: 0 }
  now = 1_000
  private came = 0

  constructor({ fixed, starts, ...options }: Setting = {}) {
    const all = { maxStreamsPerSession: 100, maxStreamsOpened: 500, openTimeout: 400, suspectAfter: 2, ...options }
    this.machine = new StreamMachine<Session, Pooled, StreamRequest<Pooled>, string>(
      all,
      fixed === undefined ? this.supply : fixedSupply,
      this.demand,
      (command) => this.commands.push(command)
    )
    if (starts !== false) this.machine.start(fixed, this.now)
  }

  ofTag<T extends Command["_tag"]>(tag: T): Array<Extract<Command, { _tag: T }>> {
    return this.commands.filter((command) => command._tag === tag) as Array<never>
  }

  count(tag: Command["_tag"]): number {
    return this.ofTag(tag).length
  }

  /** Time passes, and the machine is told so. */
  pass(millis: number): void {
    this.now += millis
    this.machine.tick(this.now)
  }

  /** A borrower waits, and the pool creates an item for it. */
  request(isPersonal = false): StreamRequest {
    const request = new StreamRequest(isPersonal)
    if (!isPersonal) this.want(1)
    this.machine.request(request, this.now)
    return request
  }

  /** More borrowers, or fewer, wait in the queue of the pool. */
  want(count: number): void {
    this.demand.waiting += count
    this.demand.needed += count
    this.demand.wanted += count
  }

  /** A session that was asked for, new or seen before. */
  session(session = new Session(), lane: Lane = new SessionLane(session)): Lane {
    assert.isAbove(this.count("AskForSession"), this.came++, "no session was asked for")
    this.machine.sessionCame(lane, this.now)
    return lane
  }

  /** The session grants the stream that was asked of it. */
  opened(lane: Lane): Pooled {
    const stream = new LaneStream(new Stream(), lane)
    lane.session.streamsOpened++
    this.machine.opened(stream, this.now)
    return stream
  }

  refused(lane: Lane): void {
    this.machine.openFailed(lane, true, "limit", this.now)
  }

  /** The stream is lent, as an item of the pool. */
  lent(stream: Pooled): number {
    this.want(-1)
    this.machine.becameItem(stream)
    return this.machine.lent(stream)
  }

  /** A new stream in use, of the session that the machine chooses. */
  borrowed(): Pooled {
    this.request()
    if (this.count("AskForSession") > this.came) this.session()
    const stream = this.opened(this.ofTag("OpenStream").at(-1)!.lane)
    this.lent(stream)
    return stream
  }

  /** The stream ends, and the platform confirms it. */
  end(stream: Pooled): void {
    this.machine.returned(stream, false, undefined)
    this.machine.discard(stream, this.now)
    this.machine.ended(stream, false, this.now)
  }
}
