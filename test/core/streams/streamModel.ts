/**
 * The environment of a stream machine, in the plainest form: sessions, streams and borrowers are records in arrays. It
 * performs the commands, keeps its own books about each session's grants, and judges each command and each state by them.
 */
import { assert } from "vitest"
import type { Direction } from "../../../src/internal/core/streams/cleanliness.js"
import { LaneStream, SessionLane, type SessionState } from "../../../src/internal/core/streams/sessionLane.js"
import type { SessionSupply, StreamDemand } from "../../../src/internal/core/streams/sessionSupply.js"
import {
  type StreamCommand,
  type StreamMachineOptions,
  StreamRequest,
  type StreamVerdict
} from "../../../src/internal/core/streams/streamCommands.js"
import { StreamMachine } from "../../../src/internal/core/streams/streamMachine.js"

export const ensure: (holds: boolean, rule: string) => asserts holds = (holds, rule) => {
  if (!holds) assert.fail(rule)
}

export interface Setting {
  readonly isFixed: boolean
  readonly options: StreamMachineOptions
  /** The maximum number of sessions at a time. */
  readonly maxSessions: number
  /** Whether the pool has room for a stream that no borrower asked for. */
  readonly hasRoom: boolean
}

export class ModelSession {
  readonly id: number
  readonly lane: SessionLane<ModelSession>
  gone: string | undefined = undefined
  state: SessionState = "Open"
  isRetired = false
  bytesReceived = 0
  streamsOpened = 0
  taken = 0
  pings = { size: 0 }
  isPingLatest = false
  mayBeOwedCredit = false

  // the environment's own books
  isHeld = false
  openings: "None" | "UnderWay" | "Late" = "None"
  /** How often the opening was late. */
  lates = 0
  openedInLease = 0
  live = 0
  ending = 0
  unconfirmed = 0
  capacity = Infinity
  refusedAt = -Infinity
  probeAt = Infinity
  backoff = 10
  marks = 0
  bytesAtMark = -1
  /** Refusals since the last grant that a ping explained: while it had a stream, and after that. */
  explained = { during: 0, after: 0 }

  constructor(id: number) {
    this.id = id
    this.lane = new SessionLane(this)
  }

  get isSuspect(): boolean {
    return this.marks > 0 && this.bytesAtMark === this.bytesReceived
  }

  refuse(now: number): void {
    this.capacity = this.live
    this.refusedAt = now
    this.probeAt = now + this.backoff
    this.backoff = Math.min(1_000, 2 * this.backoff)
  }

  grant(): void {
    this.capacity = Infinity
    this.probeAt = Infinity
    this.backoff = 10
    this.explained = { during: 0, after: 0 }
  }

  /** What a refusal means, with the pause until the next attempt if a ping explains it. */
  meaning(now: number, isLate: boolean): "Full" | "Owed" | "Pinged" | "UsedUp" {
    if (this.live > 0 || this.ending > 0) return "Full"
    if (isLate && this.mayBeOwedCredit) return "Owed"
    if (!this.isPingLatest) return "UsedUp"
    const { after, during } = this.explained
    if (this.pings.size > 0) {
      this.explained = { after, during: during + 1 }
      this.probeAt = now + [10, 20, 40, 80][Math.min(during, 3)]!
    } else if (after < 7) {
      this.explained = { after: after + 1, during }
      this.probeAt = now + 10 * 2 ** after
    } else {
      return "UsedUp"
    }
    return "Pinged"
  }

  free(now: number): void {
    if (this.capacity < Infinity) this.probeAt = Math.min(this.probeAt, Math.max(now, this.refusedAt + 10))
  }
}

type Place = "Granted" | "Idle" | "Lent" | "Returning" | "Spare" | "Ending" | "Ended"

export class ModelStream {
  readonly id: number
  readonly session: ModelSession
  readonly record: LaneStream<ModelStream, ModelSession>
  place: Place = "Spare"
  isLeaving = false
  began = 0
  bytesBefore = 0
  endsAt = Infinity

  receiving: Direction = "Open"
  sending: Direction = "Open"
  isInboxEmpty = true
  isReadPending = true
  areWritesSettled = true
  isOverdue = false
  isSending = false
  isWriting = false

  constructor(id: number, session: ModelSession) {
    this.id = id
    this.session = session
    this.record = new LaneStream(this, session.lane)
  }

  get isSessionAlive(): boolean {
    return this.session.gone === undefined
  }
}

type ModelRecord = LaneStream<ModelStream, ModelSession>

export class ModelRequest extends StreamRequest<ModelRecord> {
  readonly id: number
  constructor(id: number, isPersonal: boolean) {
    super(isPersonal)
    this.id = id
  }
}

export class World {
  now = 0
  readonly machine: StreamMachine<ModelSession, ModelRecord, ModelRequest, string>
  readonly sessions: Array<ModelSession> = []
  readonly streams: Array<ModelStream> = []
  /** The waiting requests, oldest first. */
  queue: Array<ModelRequest> = []
  answered: Array<ModelRequest> = []
  /** The number of sessions that the machine has asked for. */
  asks = 0
  /** The number of other borrowers of the session pool. */
  others = 0
  /** By how many sessions the session pool has shrunk. */
  shrunk = 0
  private givingWay: ReadonlyArray<ModelSession> = []
  isOpen = true
  /** Only personal requests still want a stream. */
  areAllServed = false
  armed = Infinity
  isBroken = false
  requests = 0
  log: Array<string> = []
  readonly setting: Setting

  constructor(setting: Setting) {
    this.setting = setting
    const read = <A extends object>(figures: { readonly [K in keyof A]: () => A[K] }): A => {
      const target = {} as A
      for (const key of Object.keys(figures) as Array<keyof A>) {
        Object.defineProperty(target, key, { get: figures[key] })
      }
      return target
    }
    this.machine = new StreamMachine<ModelSession, ModelRecord, ModelRequest, string>(
      setting.options,
      read<SessionSupply>({
        isFixed: () => setting.isFixed,
        isOpen: () => this.isOpen,
        waiting: () => setting.isFixed ? 0 : this.asks + this.others,
        excess: () => setting.isFixed ? 0 : this.excess
      }),
      read<StreamDemand>({ waiting: () => this.wanted, needed: () => this.wanted, wanted: () => this.wanted }),
      (command) => this.perform(command)
    )
    if (setting.isFixed) {
      const session = this.newSession()
      session.isHeld = true
      this.machine.start(session.lane, 0)
    } else this.machine.start(undefined, 0)
  }

  /** The number of sessions above the maximum. */
  private get excess(): number {
    const held = this.sessions.filter(({ isHeld }) => isHeld).length
    return Math.max(0, held - (this.setting.maxSessions - this.shrunk))
  }

  get isClosed(): boolean {
    return this.machine.state === "Closed"
  }

  private get wanted(): number {
    return this.areAllServed ? 0 : this.queue.filter((request) => !request.isPersonal).length
  }

  private newSession(): ModelSession {
    const session = new ModelSession(this.sessions.length)
    this.sessions.push(session)
    return session
  }

  of(lane: SessionLane<ModelSession>): ModelSession {
    return lane.session
  }

  // --- the rules

  /** Whether the session gets no new streams: each of its streams is in its last use. */
  private leaves(session: ModelSession): boolean {
    return !this.isOpen || (!this.setting.isFixed && session.isRetired)
  }

  private isUsable(session: ModelSession): boolean {
    return session.isHeld && session.gone === undefined && (!this.leaves(session) || session.openedInLease === 0)
  }

  private get unserved(): number {
    const isComing = ({ gone, openings }: ModelSession) => openings === "UnderWay" && gone === undefined
    return Math.max(0, this.queue.length - this.sessions.filter(isComing).length)
  }

  private get wantedStreams(): number {
    return Math.min(this.unserved, this.queue.filter((request) => request.isPersonal).length + this.wanted)
  }

  /** Whether the books allow another opening on the session now. */
  private mayOpen(session: ModelSession): boolean {
    if (!this.isUsable(session) || session.openings !== "None") return false
    if (session.live >= this.setting.options.maxStreamsPerSession) return false
    return session.capacity === Infinity || (this.now >= session.probeAt && this.wantedStreams > 0)
  }

  private judgeOpening(session: ModelSession): void {
    ensure(this.unserved > 0, "an opening that no request waits for")
    ensure(this.mayOpen(session), `an opening on session ${session.id}, which has no room`)
    for (const other of this.sessions) {
      if (other === session || !this.mayOpen(other)) continue
      const isBetter = (session.isSuspect && !other.isSuspect) ||
        (session.isSuspect === other.isSuspect && other.live < session.live)
      ensure(!isBetter, `an opening on session ${session.id}, where session ${other.id} is better`)
    }
  }

  /** Checks the rules that hold whenever the machine is idle. */
  judge(): void {
    const { machine } = this
    ensure(machine.hasRequests === this.queue.length > 0, "the machine knows who waits")
    for (const { ending, lent, opening, session, streams } of machine.lanes) {
      ensure(session.isHeld, "a lane of a session that was given back")
      ensure(streams.size === session.live, `session ${session.id} has ${session.live} streams, not ${streams.size}`)
      ensure(opening === session.openings, "an opening of each session at most, in the state it is in")
      ensure(ending === session.ending, `session ${session.id}: ${session.ending} ends are awaited, not ${ending}`)
      const out = this.streams.filter((stream) => stream.session === session && stream.place === "Lent").length
      ensure(lent === out, `session ${session.id} has lent ${out}, not ${lent}`)
    }
    if (this.isClosed) {
      ensure(this.queue.length === 0, "a request waits for a closed pool")
      ensure(this.setting.isFixed || !this.sessions.some(({ isHeld }) => isHeld), "a closed pool holds a session")
      return
    }
    const givingWay = this.sessions.filter((session) => session.isHeld && session.lane.isGivingWay)
    if (givingWay.some((session) => !this.givingWay.includes(session))) {
      ensure(givingWay.length <= this.others + this.excess, "more sessions give way than are wanted back")
    }
    this.givingWay = givingWay
    if (this.unserved > 0 && !this.setting.isFixed) {
      ensure(!this.sessions.some((session) => this.mayOpen(session)), "a request waits where a session has room")
      const isUnderWay = this.asks > 0 || this.sessions.some(({ openings }) => openings === "UnderWay")
      const isDue = this.armed < Infinity
      ensure(isUnderWay || isDue || this.wantedStreams === 0, "a wanted request waits for nothing at all")
    }
    if (this.setting.isFixed && this.sessions[0]!.gone !== undefined) {
      ensure(this.queue.length === 0, "a request waits for a session that is gone")
    }
    for (const session of this.sessions) {
      if (this.isUsable(session) && this.unserved > 0 && this.wantedStreams > 0 && session.probeAt > this.now) {
        ensure(this.armed <= session.probeAt, "a probe that nothing wakes")
      }
      if (!session.isHeld || this.setting.isFixed) continue
      const isIdle = session.live === 0 && session.openings === "None" && session.ending === 0
      ensure(!isIdle || (this.unserved > 0 && this.isUsable(session)), `session ${session.id} is kept for nothing`)
      ensure(session.state !== "Closed", "a dead session is kept")
      ensure(session.unconfirmed < 8 || session.isRetired, "a session that confirms no end is not retired")
    }
    for (const stream of this.streams) ensure(this.armed <= stream.endsAt, "an end that nothing judges")
  }

  // --- commands

  private perform(command: StreamCommand<string, ModelRecord, SessionLane<ModelSession>, ModelRequest>): void {
    this.say(command._tag)
    switch (command._tag) {
      case "OpenStream": {
        const session = this.of(command.lane)
        this.judgeOpening(session)
        session.openings = "UnderWay"
        session.openedInLease++
        session.lates = 0
        return
      }
      case "AbandonOpening": {
        const session = this.of(command.lane)
        ensure(session.openings === "Late", "an opening that is not late is abandoned")
        ensure(session.live === 0 && session.ending === 0, "abandoned while credit may come back")
        const isExplained = session.pings.size > 0 || session.mayBeOwedCredit
        ensure(!isExplained || session.lates > 1, "abandoned while the credit of a ping, or owed credit, may come back")
        session.openings = "None"
        return
      }
      case "AskForSession":
        ensure(!this.setting.isFixed && !this.isClosed, "a session is asked for")
        ensure(!this.sessions.some((session) => this.mayOpen(session)), "a session is asked for where one has room")
        ensure(this.wantedStreams > 0, "a session that no request needs")
        this.asks++
        return
      case "GiveSessionBack": {
        const session = this.of(command.lane)
        ensure(session.isHeld, "a session given back twice")
        if (!this.setting.isFixed) {
          // the session pool closes a session above its maximum; another borrower gets the place of any other session
          if (this.excess === 0) this.others = Math.max(0, this.others - 1)
          session.isHeld = false
        }
        if (this.isClosed || session.state === "Closed") return
        ensure(session.live === 0 && session.ending === 0, "a session given back before its streams have ended")
        ensure(session.openings === "None", "a session given back while a stream is opened")
        return
      }
      case "RetireSession": {
        ensure(!this.setting.isFixed, "the fixed session is its owner's")
        return this.retired(this.of(command.lane))
      }
      case "ForgetPing": {
        const session = this.of(command.lane)
        ensure(session.pings.size === 0 && session.explained.after === 7, "a ping is forgotten too early")
        session.isPingLatest = false
        return
      }
      case "EndStream": {
        const stream = command.stream.stream
        ensure(stream.place !== "Ending" && stream.place !== "Ended", "a stream is ended twice")
        const { session } = stream
        if (this.isClosed && !session.lane.streams.has(stream.record) && stream.place === "Spare") {
          stream.place = "Ended"
          return
        }
        session.live--
        session.free(this.now)
        if (session.gone === undefined) {
          stream.place = "Ending"
          stream.endsAt = this.now + 1_000
          session.ending++
        } else stream.place = "Ended"
        return
      }
      case "StopAwaitingWrites":
        return this.written(command.stream.stream)
      case "Grant": {
        const request = command.request
        ensure(this.queue.shift() === request, "a request is overtaken")
        const stream = command.stream.stream
        ensure(stream.place === "Spare", "a stream granted twice")
        stream.place = "Granted"
        this.answered.push(request)
        return
      }
      case "Refuse":
        ensure(this.queue.shift() === command.request, "a request is refused before an older one")
        if (this.setting.isFixed || this.isClosed) return
        ensure(
          command.refusal._tag !== "Failed" || command.refusal.failure !== "limit" ||
            !this.sessions.some((session) => session.isHeld && session.live > 0 && this.isUsable(session)),
          "full is an error"
        )
        return
      case "PrepareItem": {
        const stream = command.stream.stream
        ensure(stream.place === "Spare", "a stream prepared that somebody has")
        if (this.setting.hasRoom) this.request(false)
        return this.machine.prepared(stream.record, this.setting.hasRoom, this.now)
      }
      case "RetireItem":
      case "LoseItem": {
        const stream = command.stream.stream
        stream.isLeaving = true
        if (command._tag === "LoseItem" || stream.place === "Idle") this.discard(stream)
        return
      }
      case "BreakDown":
        ensure(this.setting.isFixed, "a pool of many sessions never breaks down")
        this.isBroken = true
        return
      case "WarnSuspect":
        ensure(command.unanswered >= this.setting.options.suspectAfter, "too few answers are missing")
        return
      case "WakeAt":
        ensure(!this.isClosed, "a closed pool is armed")
        ensure(command.at < this.armed, "armed for later")
        this.armed = command.at
    }
  }

  private say(what: string): void {
    this.log.push(what)
  }

  // --- events

  request(isPersonal: boolean): ModelRequest {
    const request = new ModelRequest(this.requests++, isPersonal)
    this.queue.push(request)
    this.machine.request(request, this.now)
    return request
  }

  abandon(request: ModelRequest): void {
    const stream = request.stream?.stream
    this.queue = this.queue.filter((other) => other !== request)
    this.answered = this.answered.filter((other) => other !== request)
    if (stream?.place === "Granted") stream.place = "Spare"
    this.machine.abandon(request, this.now)
  }

  opened(session: ModelSession): void {
    const stream = new ModelStream(this.streams.length, session)
    this.streams.push(stream)
    session.openings = "None"
    session.streamsOpened++
    session.isPingLatest = false
    if (!this.isClosed) {
      session.grant()
      session.live++
    }
    this.machine.opened(stream.record, this.now)
  }

  openFailed(session: ModelSession, isRefusal: boolean): void {
    const wasLate = session.openings === "Late"
    session.openings = "None"
    const isJudged = isRefusal && !wasLate && session.gone === undefined && !this.isClosed
    if (isJudged) session.refuse(this.now)
    const meaning = isJudged ? session.meaning(this.now, false) : undefined
    const before = this.log.length
    const { isRetired } = session
    this.machine.openFailed(session.lane, isRefusal, isRefusal ? "limit" : "broken", this.now)
    if (meaning === undefined) return
    if (meaning === "UsedUp") return ensure(this.setting.isFixed || session.isRetired, "a used up session is kept")
    ensure(session.isRetired === isRetired, `a session is retired for a refusal that means ${meaning}`)
    ensure(!this.log.slice(before).includes("Refuse"), `a request is refused for a refusal that means ${meaning}`)
  }

  /** A ping of the session has a stream. */
  pinged(session: ModelSession): void {
    session.streamsOpened++
    session.pings = { size: session.pings.size + 1 }
    session.isPingLatest = true
  }

  pingEnded(session: ModelSession): void {
    session.pings = { size: session.pings.size - 1 }
    this.freed(session)
  }

  /** The session refuses again and again, whenever it is asked. */
  refusedOften(session: ModelSession): void {
    for (let i = 0; i < 9; i++) {
      if (session.openings !== "UnderWay" || session.gone !== undefined) return
      this.openFailed(session, true)
      this.judge()
      if (this.armed < Infinity) this.wake()
      this.judge()
    }
  }

  sessionCame(session = this.newSession()): void {
    this.asks--
    session.isHeld = true
    session.openedInLease = 0
    session.grant()
    this.machine.sessionCame(session.lane, this.now)
  }

  sessionFailed(): void {
    this.asks--
    this.machine.sessionFailed("no session", this.now)
  }

  closing(session: ModelSession): void {
    session.gone = "gone"
    session.state = "Closing"
    this.machine.sessionChanged(session.lane, this.now)
  }

  died(session: ModelSession): void {
    session.gone = "gone"
    session.state = "Closed"
    if (session.openings !== "None") this.openFailed(session, false)
    for (const stream of this.streams) {
      if (stream.session === session && stream.place === "Ending") this.confirmed(stream)
    }
    this.machine.sessionChanged(session.lane, this.now)
  }

  retired(session: ModelSession): void {
    session.isRetired = true
    this.machine.sessionChanged(session.lane, this.now)
  }

  /** The creation makes an item of its stream, and the pool lends it. */
  taken(request: ModelRequest): void {
    this.answered = this.answered.filter((other) => other !== request)
    const stream = request.stream!.stream
    this.machine.becameItem(stream.record)
    if (stream.session.gone !== undefined || stream.isLeaving) return this.discard(stream)
    stream.place = "Lent"
    this.lend(stream)
  }

  lendAgain(stream: ModelStream): void {
    stream.place = "Lent"
    this.lend(stream)
  }

  private lend(stream: ModelStream): void {
    stream.bytesBefore = stream.session.bytesReceived
    stream.began = this.machine.lent(stream.record)
    if (this.machine.lanes.isLeaving(stream.session.lane)) stream.isLeaving = true
  }

  returned(stream: ModelStream, how: "clean" | "writing" | "spoiled" | "silent"): void {
    const { session } = stream
    const isSilent = how === "silent" && session.bytesReceived === stream.bytesBefore
    if (isSilent) {
      if (!session.isSuspect) session.marks = 0
      if (session.marks === 0 || stream.began >= session.lane.markedAt) session.marks++
      session.bytesAtMark = session.bytesReceived
    }
    stream.place = "Returning"
    this.machine.returned(stream.record, how === "spoiled" || how === "silent", isSilent ? stream.began : undefined)
    if (stream.place !== "Returning") return
    if (how === "writing") {
      stream.areWritesSettled = false
      return this.machine.awaitWrites(stream.record, this.now)
    }
    this.settleReturn(stream, how === "clean" && session.gone === undefined)
  }

  written(stream: ModelStream): void {
    this.judgeReturn(stream, this.machine.written(stream.record))
  }

  private settleReturn(stream: ModelStream, isFit: boolean): void {
    this.judgeReturn(stream, this.machine.verdictOf(stream.record, isFit))
  }

  private judgeReturn(stream: ModelStream, verdict: StreamVerdict): void {
    if (stream.place !== "Returning") return
    if (verdict === "keep") {
      ensure(stream.areWritesSettled && stream.isSessionAlive, "an unclean stream is kept")
      ensure(!this.leaves(stream.session), "a stream of a session that leaves is kept")
    }
    if (verdict === "keep" && !stream.isLeaving) stream.place = "Idle"
    else this.discard(stream)
  }

  discard(stream: ModelStream): void {
    if (stream.place === "Lent") {
      stream.place = "Returning"
      this.machine.returned(stream.record, true, undefined)
    }
    if (stream.place !== "Ending" && stream.place !== "Ended") this.machine.discard(stream.record, this.now)
  }

  confirmed(stream: ModelStream): void {
    stream.place = "Ended"
    stream.endsAt = Infinity
    stream.session.ending--
    this.machine.ended(stream.record, false, this.now)
  }

  freed(session: ModelSession): void {
    session.free(this.now)
    this.machine.streamFreed(session.lane, this.now)
  }

  received(session: ModelSession): void {
    session.bytesReceived++
  }

  demandChanged(): void {
    this.machine.demandChanged(this.now)
  }

  advance(ms: number): void {
    this.now += ms
    if (this.armed <= this.now) this.wake()
  }

  wake(): void {
    this.now = Math.max(this.now, this.armed)
    this.armed = Infinity
    for (const stream of this.streams) {
      if (stream.endsAt > this.now) continue
      stream.endsAt = Infinity
      stream.place = "Ended"
      stream.session.ending--
      stream.session.unconfirmed++
    }
    const explained = this.openingsLate()
    this.machine.tick(this.now)
    for (const session of explained) {
      ensure(session.openings === "Late", "a late opening is abandoned, although credit may come back")
    }
  }

  /** Returns the sessions whose late stream may still come. */
  private openingsLate(): ReadonlyArray<ModelSession> {
    const explained: Array<ModelSession> = []
    for (const { lateAt, session } of this.machine.lanes) {
      if (session.openings === "None" || lateAt > this.now) continue
      session.openings = "Late"
      session.lates++
      session.refuse(this.now)
      if (session.lates > 1 || session.gone !== undefined) continue
      const meaning = this.unserved > 0 ? session.meaning(this.now, true) : undefined
      if (meaning === "Owed" || session.pings.size > 0) explained.push(session)
    }
    return explained
  }

  close(): void {
    this.machine.close()
    this.armed = Infinity
  }

  // --- a kind environment

  /** Everything under way ends well; every request is answered. */
  beKind(): void {
    this.others = 0
    this.shrunk = 0
    this.areAllServed = false
    for (const session of this.sessions) {
      session.pings = { size: 0 }
      session.mayBeOwedCredit = false
    }
    for (let round = 0; this.queue.length > 0; round++) {
      ensure(round < 300, `request ${this.queue[0]?.id} is never answered: ${this.log.slice(-30).join(" ")}`)
      const before = this.log.length
      this.demandChanged()
      for (const request of [...this.answered]) this.taken(request)
      for (const stream of this.streams) if (stream.place === "Lent") this.returned(stream, "clean")
      for (const stream of this.streams) if (stream.place === "Idle") this.discard(stream)
      for (const stream of this.streams) if (stream.place === "Returning") this.written(stream)
      for (const stream of this.streams) if (stream.place === "Ending") this.confirmed(stream)
      for (const session of [...this.sessions]) {
        if (session.openings !== "None" && session.gone === undefined) this.opened(session)
      }
      while (this.asks > 0) this.sessionCame()
      if (this.log.length === before && this.armed < Infinity) this.wake()
      this.judge()
    }
  }

  /** The end of closing: no session is held, no request waits. */
  beClosed(): void {
    this.close()
    this.judge()
    while (this.asks > 0) this.sessionFailed()
    for (const session of this.sessions) if (session.openings !== "None") this.opened(session)
    this.judge()
  }

  /** Identifies a state by everything that decides. Times count from now. */
  snapshot(): string {
    const t = (at: number) => at === Infinity || at === -Infinity ? String(at) : Math.max(at - this.now, -1_001)
    const sessions = this.sessions.filter(({ id, isHeld, state }) =>
      isHeld || state !== "Closed" || this.streams.some(({ place, session }) => session.id === id && place !== "Ended")
    ).map(({ lane, ...session }) => [
      session.gone,
      session.state,
      session.isRetired,
      session.isHeld,
      session.openings,
      Math.min(session.streamsOpened, 2),
      lane.isGivingWay,
      lane.opened > 0,
      lane.unconfirmed,
      t(lane.lateAt),
      lane.capacity,
      t(lane.probeAt),
      t(lane.freedAt),
      lane.backoff,
      lane.marks,
      lane.receivedAtMark === lane.session.bytesReceived,
      session.pings,
      session.isPingLatest,
      session.mayBeOwedCredit,
      session.explained,
      session.lates,
      this.streams.filter((stream) => stream.session.id === session.id && stream.place !== "Ended").map((stream) => [
        stream.place,
        stream.isLeaving,
        stream.record.state,
        t(stream.endsAt),
        t(stream.record.deadline),
        stream.areWritesSettled,
        this.answered.findIndex((request) => request.stream?.stream === stream)
      ])
    ])
    return JSON.stringify([
      sessions,
      this.queue.map(({ isPersonal }) => isPersonal),
      this.requests,
      this.asks,
      this.others,
      this.shrunk,
      t(this.armed),
      t(this.machine["asking"].readyAt),
      this.isClosed,
      this.isBroken
    ])
  }
}
