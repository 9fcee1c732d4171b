/**
 * Where the streams of a pool come from: the sessions that it holds, what each of them grants, and who waits for a stream
 * to be opened. Plain state; only what waits is an Effect.
 */
import { Sleeper } from "#effect/sleeper"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { PoolError } from "../../PoolError.js"
import type * as WebTransport from "../../WebTransport.js"
import { WebTransportError } from "../../WebTransportError.js"
import { type Linked, LinkedList } from "../core/linkedList.js"
import type { ItemControl, PoolEngine, ReturnVerdict, SyncLease } from "../engine/resourcePool.js"
import type { ByteStream } from "../transport/byteStream.js"
import { type News, Opening, type SessionCore, type SessionHandle } from "../transport/session.js"

/** Milliseconds. */
export interface SourceOptions {
  readonly maxStreamsPerSession: number
  readonly maxStreamsOpened: number
  readonly openTimeout: number
  readonly suspectAfter: number
  readonly streamOptions: WebTransport.StreamOptions | undefined
}

export type Failure = WebTransportError | PoolError

const firstBackoff = 10
const lastBackoff = 1_000
/** How long the platform has to take what was written on a stream that is to be lent again, or to confirm an end. */
const endingTimeout = 1_000
/** So many ends that were not confirmed, and the session is given up. */
const mostUnconfirmed = 8

/** So many refusals after a ping, in a bit more than a second, and it was not the ping that had the stream. */
const mostVain = 7

const closed = () => new WebTransportError({ reason: "StreamOpen", detail: "the pool of streams is closed" })

/** Whoever has a stream is told of what happens to it. */
interface Holder {
  onChange(): void
}

/** A stream of the pool. */
export class PooledStream implements Linked<PooledStream> {
  readonly stream: ByteStream
  readonly branch: Branch
  /** Whoever has it now, a check among them. */
  holder: Holder | undefined = undefined
  /** How often somebody has had it, a check among them. */
  uses = 0
  /** Whether it is to be reset rather than finished. */
  isSpoiled = false
  isDestroyed = false
  /** Whether its place in the pool is gone, too. */
  isOver = false
  /** The one that took its place. */
  successor: PooledStream | undefined = undefined
  control: ItemControl | undefined = undefined
  deadline = 0
  /** How much its session had taken when its end was last looked at. */
  takenAt = 0
  previous: PooledStream | undefined = undefined
  next: PooledStream | undefined = undefined
  list: LinkedList<any> | undefined = undefined

  constructor(stream: ByteStream, branch: Branch) {
    this.stream = stream
    this.branch = branch
  }
}

/** How a session comes back on which nothing came: its pool is not to take it for one that has proved good. */
const nothingCame = Exit.fail("nothing came on the session")

/** A session that streams of the pool are opened on. What is known of it outlasts a lease. */
export class Branch {
  handle: SessionHandle
  lease: SyncLease<WebTransport.Session> | undefined = undefined
  /** Idle and lent. */
  readonly streams = new Set<PooledStream>()
  /** Those that somebody has. */
  lent = 0
  /** Streams that were asked for in this lease. */
  opened = 0
  /** Whether its streams are ended so that it goes back. */
  isGivingWay = false
  opening: Opening | undefined = undefined
  /** When that one takes longer than it may, if nobody waits for it. */
  lateAt = Infinity
  /** Whether it does: it may still come. */
  isLate = false
  /** How many streams it grants, once it has refused one. */
  capacity = Infinity
  /** When it may be asked again. */
  probeAt = Infinity
  private refusedAt = -Infinity
  freedAt = -Infinity
  private backoff = firstBackoff
  unconfirmed = 0
  /** Refusals since the last grant, where a ping may have had the stream. */
  vain = 0
  private receivedBefore = 0
  private marks = 0
  private receivedAtMark = -1
  private markedAt = -1

  constructor(handle: SessionHandle) {
    this.handle = handle
  }

  /** It was with others, and may have been before. */
  begin(lease: SyncLease<WebTransport.Session>): void {
    this.handle = lease.value as SessionHandle
    this.lease = lease
    this.receivedBefore = this.core.bytesReceived
    this.opened = 0
    this.isGivingWay = false
    this.granted()
  }

  get core(): SessionCore {
    return this.handle.core
  }

  /** Whether the session has proved good while it was lent. */
  get hasReceived(): boolean {
    return this.core.bytesReceived > this.receivedBefore
  }

  /** Somebody waited for bytes in vain, and none has come since on any of its streams. */
  get isSuspect(): boolean {
    return this.marks > 0 && this.receivedAtMark === this.core.bytesReceived
  }

  /**
   * Somebody who had a stream since `began` gave up waiting for bytes, at `now`; how often that happened, one after the
   * other. Those that overlap are one: they met the same silence.
   */
  mark(began: number, now: number): number {
    if (!this.isSuspect) this.marks = 0
    else if (began < this.markedAt) return this.marks
    this.marks++
    this.markedAt = now
    this.receivedAtMark = this.core.bytesReceived
    return this.marks
  }

  /** It grants no more than it has now. */
  full(now: number): void {
    this.capacity = this.streams.size
    this.refusedAt = now
    this.probeAt = now + this.backoff
    this.backoff = Math.min(lastBackoff, this.backoff * 2)
  }

  /** It grants some again: credit may come back in batches, so nothing is known of its limit. */
  granted(): void {
    this.capacity = Infinity
    this.probeAt = Infinity
    this.backoff = firstBackoff
    this.vain = 0
  }

  /** A stream of it has ended: another one may be granted sooner than it would be asked for. */
  freed(now: number): void {
    this.freedAt = now
    if (this.isFull) this.probeAt = Math.min(this.probeAt, Math.max(now, this.refusedAt + firstBackoff))
  }

  get isFull(): boolean {
    return this.capacity !== Infinity
  }

  hasRoom(most: number, now: number): boolean {
    return this.streams.size < most && (!this.isFull || now >= this.probeAt)
  }
}

type Grant =
  | { readonly _tag: "Branch"; readonly branch: Branch; readonly opening: Opening }
  | { readonly _tag: "Stream"; readonly pooled: PooledStream }
  | { readonly _tag: "Failure"; readonly cause: Cause.Cause<Failure> }

/** A creation that waits for its turn to open a stream. */
class Claim implements Linked<Claim> {
  /** Whether somebody waits for this very one, whoever waits for the pool. */
  readonly isPersonal: boolean
  grant: Grant | undefined = undefined
  resume: ((effect: Effect.Effect<void>) => void) | undefined = undefined
  previous: Claim | undefined = undefined
  next: Claim | undefined = undefined
  list: LinkedList<any> | undefined = undefined

  constructor(isPersonal: boolean) {
    this.isPersonal = isPersonal
  }

  readonly granted: Effect.Effect<void> = Effect.async<void>((resume) => {
    if (this.grant !== undefined) resume(Effect.void)
    else this.resume = resume
  })
}

export class StreamSource {
  readonly options: SourceOptions
  readonly branches = new Set<Branch>()
  /** Where more sessions come from; without it there is one, which is the caller's. */
  private readonly sessions: PoolEngine<WebTransport.Session, WebTransportError> | undefined
  private readonly only: Branch | undefined
  /** Those that are with others now among them. */
  private readonly known = new WeakMap<SessionCore, Branch>()
  /** The pool of the streams. */
  private readonly pool: PoolEngine<WebTransport.BidirectionalStream, Failure>
  private readonly sleeper: Sleeper
  private armedAt = Infinity
  private readonly claims = new LinkedList<Claim>()
  /** Those that came after nobody waited for them any more, and that nobody has yet. */
  private readonly late = new LinkedList<PooledStream>()
  private readonly endings = new LinkedList<PooledStream>()
  /** Those that came back with writes that the platform is not done with. */
  private readonly writing = new LinkedList<PooledStream>()
  /** Sessions on their way. */
  private acquiring = 0
  private sessionAt = -Infinity
  private sessionBackoff = firstBackoff
  private readonly acquirers = new Set<Fiber.RuntimeFiber<unknown, unknown>>()
  private isPumping = false
  private state: "Open" | "Closed" = "Open"

  constructor(
    options: SourceOptions,
    sessions: PoolEngine<WebTransport.Session, WebTransportError> | undefined,
    only: SessionHandle | undefined,
    pool: PoolEngine<WebTransport.BidirectionalStream, Failure>
  ) {
    this.options = options
    this.sessions = sessions
    this.only = only === undefined ? undefined : new Branch(only)
    this.pool = pool
    this.sleeper = new Sleeper(
      pool.clock,
      (effect) => pool.fork(effect),
      Effect.sync(() => {
        this.armedAt = Infinity
        this.tick()
      })
    )
    this.sessions?.demand.add(this.onDemand)
    // what was claimed for others may be for whoever comes to wait
    if (this.sessions !== undefined) pool.demand.add(() => this.claims.first === undefined ? undefined : this.pump())
    if (this.only !== undefined) this.add(this.only)
    // it may have ended meanwhile
    if (this.only?.core.gone !== undefined) this.onChange(this.only)
    else this.pump()
  }

  /** After its pool has closed. */
  close(): void {
    this.sleeper.cancel()
    this.state = "Closed"
    this.sessions?.demand.delete(this.onDemand)
    for (const fiber of this.acquirers) fiber.unsafeInterruptAsFork(FiberId.none)
    for (const branch of this.branches) this.remove(branch)
    this.fail(Cause.fail(closed()))
  }

  // ---------------------------------------------------------------------------
  // Opening a stream
  // ---------------------------------------------------------------------------

  /** A new stream, until the scope closes. Waits while no session grants one. */
  readonly open: Effect.Effect<PooledStream, Failure, Scope.Scope> = Effect.suspend(() => this.claim(false))

  private claim(isPersonal: boolean): Effect.Effect<PooledStream, Failure, Scope.Scope> {
    return Effect.flatMap(
      this.attempt(isPersonal),
      (pooled) => pooled === undefined ? this.claim(isPersonal) : Effect.succeed(pooled)
    )
  }

  /** `undefined`: not there, try again. */
  private attempt(isPersonal: boolean): Effect.Effect<PooledStream | undefined, Failure, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.scope, (scope) => {
        if (this.state === "Closed") return Effect.fail(closed())
        const claim = new Claim(isPersonal)
        this.claims.push(claim)
        this.pump()
        return Effect.matchCauseEffect(restore(claim.granted), {
          onFailure: (cause) => {
            this.forsake(claim)
            return Effect.failCause(cause)
          },
          onSuccess: () => {
            const grant = claim.grant!
            switch (grant._tag) {
              case "Failure":
                return Effect.failCause(grant.cause)
              case "Stream":
                return this.keepUntil(scope, grant.pooled)
              case "Branch":
                return this.openOn(grant.branch, grant.opening, scope, restore)
            }
          }
        })
      })
    )
  }

  /** A new stream in the place of another, which it has no longer than that one would have had it. */
  openInstead(pooled: PooledStream): Effect.Effect<PooledStream, Failure, Scope.Scope> {
    return Effect.suspend(() => {
      this.destroy(pooled)
      return Effect.map(this.claim(true), (successor) => {
        pooled.successor = successor
        if (pooled.isOver) this.destroy(successor)
        return successor
      })
    })
  }

  private keepUntil(scope: Scope.Scope, pooled: PooledStream): Effect.Effect<PooledStream> {
    const end = Effect.sync(() => {
      pooled.isOver = true
      this.destroy(pooled)
      if (pooled.successor !== undefined) this.destroy(pooled.successor)
    })
    return Effect.as(Scope.addFinalizer(scope, end), pooled)
  }

  private openOn(
    branch: Branch,
    opening: Opening,
    scope: Scope.Scope,
    restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  ): Effect.Effect<PooledStream | undefined, Failure> {
    return Effect.matchCauseEffect(restore(Effect.timeoutOption(opening.settled, this.options.openTimeout)), {
      onFailure: (cause) => {
        const failure = Option.getOrUndefined(Cause.failureOption(cause))
        if (failure === undefined) {
          this.orphan(branch, opening)
          return Effect.failCause(cause)
        }
        branch.opening = undefined
        const again = this.afterFailure(branch, failure)
        this.pump()
        return again ? Effect.succeed(undefined) : Effect.failCause(cause)
      },
      onSuccess: (timely) => {
        const stream = Option.getOrElse(timely, () => opening.stream)
        if (stream !== undefined) {
          const pooled = this.adopt(branch, stream)
          this.pump()
          return this.keepUntil(scope, pooled)
        }
        branch.isLate = true
        opening.whenLate((stream) => this.onLate(branch, stream))
        const refusal = new WebTransportError({
          reason: "StreamLimit",
          detail: `the session granted no stream within ${this.options.openTimeout}ms`
        })
        const again = this.afterFailure(branch, refusal)
        this.pump()
        return again ? Effect.succeed(undefined) : Effect.fail(refusal)
      }
    })
  }

  /** Nobody waits for it any more; until it settles the session is not asked for another one. */
  private orphan(branch: Branch, opening: Opening): void {
    branch.lateAt = this.pool.now() + this.options.openTimeout
    opening.whenLate((stream) => this.onLate(branch, stream))
    this.pump()
  }

  /** Whether another attempt makes sense. */
  private afterFailure(branch: Branch, failure: WebTransportError): boolean {
    if (branch.core.gone !== undefined) return this.only === undefined
    if (failure.reason !== "StreamLimit") return false
    const now = this.pool.now()
    branch.full(now)
    if (branch.streams.size > 0) return true
    // it has none, and grants none; but the credit for one that ended may be on its way
    if (this.isEnding(branch) || this.mayBePinged(branch)) return true
    if (this.only !== undefined) return now < branch.freedAt + this.options.openTimeout
    branch.core.retire()
    if (branch.core.streamsOpened > 0) return true
    // it never granted any, and its successor may be no better
    this.delaySessions()
    return this.hasUsable
  }

  /** Whether a ping may have had the one that it would grant; until it was asked often enough in vain. */
  private mayBePinged(branch: Branch): boolean {
    const { core } = branch
    if (!core.isPingLatest) return false
    if (core.pings.size === 0 && ++branch.vain > mostVain) core.isPingLatest = false
    return core.isPingLatest
  }

  private adopt(branch: Branch, stream: ByteStream): PooledStream {
    this.settled(branch)
    branch.granted()
    if (branch.opened === 1) {
      this.sessionAt = -Infinity
      this.sessionBackoff = firstBackoff
    }
    const pooled = new PooledStream(stream, branch)
    branch.streams.add(pooled)
    if (branch.core.streamsOpened >= this.options.maxStreamsOpened && this.only === undefined) branch.core.retire()
    return pooled
  }

  private settled(branch: Branch): void {
    branch.opening = undefined
    branch.isLate = false
    branch.lateAt = Infinity
  }

  private onLate(branch: Branch, stream: ByteStream | undefined): void {
    this.settled(branch)
    if (stream !== undefined && this.state !== "Closed") {
      const pooled = this.adopt(branch, stream)
      if (branch.isGivingWay) return this.destroy(pooled)
      this.late.push(pooled)
      this.pump()
      if (pooled.list !== this.late) return
      // nobody waits: it becomes an idle one, if there is room
      if (this.wantedBack > 0 || !this.pool.prepare()) this.destroy(pooled)
    } else {
      stream?.end(true)
      this.pump()
    }
  }

  /** Whoever claimed a stream does not want it any more. */
  private forsake(claim: Claim): void {
    this.claims.remove(claim)
    const { grant } = claim
    if (grant?._tag === "Stream") {
      this.late.push(grant.pooled)
      this.pump()
      if (grant.pooled.list === this.late) this.destroy(grant.pooled)
    } else if (grant?._tag === "Branch") {
      this.orphan(grant.branch, grant.opening)
    } else {
      this.pump()
    }
  }

  // ---------------------------------------------------------------------------
  // Who gets what
  // ---------------------------------------------------------------------------

  private pump(): void {
    // what it does may call for it: the loop sees to that
    if (this.state !== "Open" || this.isPumping) return
    this.isPumping = true
    const now = this.pool.now()
    while (this.claims.first !== undefined) {
      const grant = this.next(now)
      if (grant === undefined) break
      this.give(this.claims.first, grant)
    }
    this.isPumping = false
    if (this.claims.first !== undefined) this.wantSessions(now)
    for (const branch of this.branches) {
      this.settle(branch)
      this.giveWay(branch)
    }
    this.arm(now)
  }

  private give(claim: Claim, grant: Grant): void {
    this.claims.remove(claim)
    claim.grant = grant
    claim.resume?.(Effect.void)
  }

  private next(now: number): Grant | undefined {
    while (this.late.first !== undefined) {
      const pooled = this.late.first
      this.late.remove(pooled)
      if (pooled.stream.isClean && !this.isLeaving(pooled.branch)) return { _tag: "Stream", pooled }
      this.destroy(pooled)
    }
    const branch = this.choose(now)
    if (branch === undefined) return undefined
    branch.isGivingWay = false
    branch.opened++
    const opening = branch.opening = new Opening(branch.handle, "Bidirectional", this.options.streamOptions)
    return { _tag: "Branch", branch, opening }
  }

  /** The least loaded one with room, suspect ones last. */
  private choose(now: number): Branch | undefined {
    let best: Branch | undefined
    for (const branch of this.branches) {
      if (branch.opening !== undefined || !this.isUsable(branch)) continue
      if (!branch.hasRoom(this.options.maxStreamsPerSession, now)) continue
      // a full one is asked for who waits only
      if (branch.isFull && this.wantedStreams === 0) continue
      const better = best === undefined || (best.isSuspect && !branch.isSuspect) ||
        (best.isSuspect === branch.isSuspect && branch.streams.size < best.streams.size)
      if (better) best = branch
    }
    return best
  }

  /** One that was retired when it came, in its last use, is good for a stream all the same. */
  private isUsable(branch: Branch): boolean {
    return branch.core.gone === undefined && (!this.isLeaving(branch) || branch.opened === 0)
  }

  private get hasUsable(): boolean {
    for (const branch of this.branches) if (this.isUsable(branch)) return true
    return false
  }

  /** Whether what is lent of it is the last of it: it is retired, or its pool takes all of them back. */
  isLeaving(branch: Branch): boolean {
    return this.isOver || (this.only === undefined && branch.core.isRetired)
  }

  /** Whether the session pool drains or closes. */
  get isOver(): boolean {
    return this.sessions?.isOpen === false
  }

  // ---------------------------------------------------------------------------
  // Sessions
  // ---------------------------------------------------------------------------

  /** More of them, but only when all there are have no room. */
  private wantSessions(now: number): void {
    const { sessions } = this
    if (sessions === undefined) {
      if (this.only?.core.gone !== undefined) this.fail(Cause.fail(this.only.core.gone))
      return
    }
    const { maxStreamsPerSession: most } = this.options
    let expected = most
    for (const branch of this.branches) {
      const isOpening = branch.opening !== undefined && !branch.isLate && this.isUsable(branch)
      if (isOpening && branch.streams.size + 1 < Math.min(most, branch.capacity)) return
      expected = Math.max(1, Math.min(expected, branch.capacity))
    }
    if (now < this.sessionAt) return
    const streams = this.wantedStreams
    // of any number at all, where no limit is known
    const wanted = streams === 0 ? 0 : Math.max(1, Math.ceil(streams / expected))
    while (this.acquiring < wanted) {
      this.acquiring++
      const fiber = sessions.fork(this.acquireSession(sessions))
      this.acquirers.add(fiber)
      fiber.addObserver(() => this.acquirers.delete(fiber))
    }
  }

  /**
   * Those that are claimed for somebody: whoever wanted the others was served meanwhile, or has left. Streams that are only
   * to be kept ready take no session from borrowers who wait for one.
   */
  private get wantedStreams(): number {
    const { sessions } = this
    const areWaitedFor = sessions !== undefined && sessions.waiting > this.acquiring
    let personal = 0
    for (let claim = this.claims.first; claim !== undefined; claim = claim.next) if (claim.isPersonal) personal++
    return Math.min(this.claims.length, personal + (areWaitedFor ? this.pool.needed : this.pool.wanted))
  }

  private acquireSession(sessions: PoolEngine<WebTransport.Session, WebTransportError>): Effect.Effect<void> {
    return Effect.matchCause(Effect.interruptible(sessions.lend((lease) => this.onSession(lease), true)), {
      onSuccess: () => undefined,
      onFailure: (cause) => {
        this.acquiring--
        this.onNoSession(cause)
      }
    })
  }

  private onSession(lease: SyncLease<WebTransport.Session>): void {
    this.acquiring--
    if (this.state === "Closed") return lease.giveBack(Exit.void)
    const handle = lease.value as SessionHandle
    let branch = this.known.get(handle.core)
    if (branch === undefined) this.known.set(handle.core, branch = new Branch(handle))
    branch.begin(lease)
    this.add(branch)
    // it goes back if whoever wanted it was served meanwhile
    this.pump()
  }

  private onNoSession(cause: Cause.Cause<Failure>): void {
    if (this.state === "Closed") return
    // those that are there may still serve whoever waits
    if (!this.hasUsable && this.acquiring === 0) return this.fail(cause)
    this.delaySessions()
    this.arm(this.pool.now())
  }

  private delaySessions(): void {
    this.sessionAt = this.pool.now() + this.sessionBackoff
    this.sessionBackoff = Math.min(lastBackoff, this.sessionBackoff * 2)
  }

  private fail(cause: Cause.Cause<Failure>): void {
    while (this.claims.first !== undefined) this.give(this.claims.first, { _tag: "Failure", cause })
  }

  private add(branch: Branch): Branch {
    this.branches.add(branch)
    const observer = (news: News) => news === "Leaving" ? this.onChange(branch) : this.onFreed(branch)
    branch.core.observers.add(observer)
    this.observers.set(branch, observer)
    return branch
  }

  private readonly observers = new Map<Branch, (news: News) => void>()

  /** Of whoever's: a ping's, or one of the session's owner. */
  private onFreed(branch: Branch): void {
    if (!branch.isFull) return
    branch.freed(this.pool.now())
    if (this.claims.first !== undefined) this.pump()
  }

  /** It is retired, closes, or is closed. */
  private onChange(branch: Branch): void {
    const { gone, state } = branch.core
    if (this.only !== undefined) {
      if (gone === undefined) return
      this.pool.breakDown(Cause.fail(gone))
    }
    for (const pooled of [...branch.streams]) {
      if (pooled.list === this.late) this.destroy(pooled)
      else if (state === "Closed") pooled.control?.lost()
      else pooled.control?.retire()
    }
    if (state === "Closed") this.remove(branch)
    this.pump()
  }

  private remove(branch: Branch): void {
    if (this.only === undefined) this.branches.delete(branch)
    const observer = this.observers.get(branch)
    if (observer === undefined) return
    this.observers.delete(branch)
    branch.core.observers.delete(observer)
    branch.lease?.giveBack(branch.hasReceived ? Exit.void : nothingCame)
  }

  /** A session without a stream goes back, once the ends of its streams are confirmed; unless it is to be asked for one. */
  private settle(branch: Branch): void {
    if (branch.lease === undefined || branch.streams.size > 0) return
    if (branch.opening === undefined) {
      if (this.claims.first !== undefined && this.isUsable(branch)) return
      // whoever gets it next is to find the credit of its streams back
      if (this.isEnding(branch)) return
    } else if (branch.isLate) {
      // the credit of those that end may be on its way
      if (this.isEnding(branch)) return
      // a ping has one, which may be the one
      if (branch.core.pings.size > 0 && branch.lateAt === Infinity) {
        branch.lateAt = this.pool.now() + this.options.openTimeout
      }
      if (branch.lateAt < Infinity) return
      // it grants nothing at all
      branch.opening.abandon()
      this.settled(branch)
      branch.core.retire()
    } else return
    this.remove(branch)
    this.pump()
  }

  /** Others wait for sessions, or there are too many: those with idle streams only go. Or all are wanted back. */
  private readonly onDemand = (): void => {
    if (this.isOver) {
      for (const branch of this.branches) this.retireIdle(branch)
      return this.pump()
    }
    for (const branch of this.branches) this.giveWay(branch)
  }

  /** How many sessions others wait for, or are too many, but for those that go already. */
  private get wantedBack(): number {
    const { sessions } = this
    if (sessions === undefined) return 0
    let wanted = Math.max(0, sessions.waiting - this.acquiring) + sessions.excess
    if (wanted > 0) { for (const branch of this.branches) if (branch.isGivingWay) wanted-- }
    return wanted
  }

  /** What becomes of a stream that came back. */
  fateOf({ branch }: PooledStream, isFit: boolean): ReturnVerdict {
    const leaves = this.isLeaving(branch) || this.giveWay(branch)
    return isFit ? leaves ? "retire" : "keep" : "discard"
  }

  /** Of one that came back clean, but for writes that the platform is not done with. */
  whenWritten(pooled: PooledStream, then: (fate: ReturnVerdict) => void): void {
    const now = this.pool.now()
    pooled.deadline = now + endingTimeout
    this.writing.push(pooled)
    pooled.stream.whenWritten = () => {
      this.writing.remove(pooled)
      then(this.fateOf(pooled, pooled.stream.isClean))
    }
    this.arm(now)
  }

  /** Whether a session of which nothing is lent goes now, since it is wanted back. */
  giveWay(branch: Branch): boolean {
    if (branch.isGivingWay) return true
    // one that is late may never come: it keeps nobody from the session
    const isOpening = branch.opening !== undefined && !branch.isLate
    if (branch.lent > 0 || isOpening || this.wantedBack <= 0) return false
    // they come first, but there is no waiting for one that is too many
    if (this.pool.waiting > 0 && this.sessions!.excess === 0) return false
    // one that has just come is somebody's, as far as is known yet
    for (const pooled of branch.streams) if (pooled.control === undefined) return false
    branch.isGivingWay = true
    this.retireIdle(branch)
    return true
  }

  /** Of those that are lent, too, each goes when it comes back. */
  private retireIdle(branch: Branch): void {
    for (const pooled of [...branch.streams]) pooled.control?.retire()
  }

  /** Orders what happens to streams, also within a millisecond. */
  private moments = 0

  get moment(): number {
    return ++this.moments
  }

  /** A stream of it, lent at the moment `began`, was given up while bytes were awaited and none had come on the session. */
  suspect(branch: Branch, began: number): void {
    const unanswered = branch.mark(began, this.moment)
    if (unanswered < this.options.suspectAfter || this.only !== undefined || branch.core.isRetired) return
    this.pool.warn(`${unanswered} answers of a session in a row never came; it is replaced`, "Suspect", { unanswered })
    branch.core.retire()
  }

  // ---------------------------------------------------------------------------
  // Ending a stream
  // ---------------------------------------------------------------------------

  /** Begins its end; the platform confirms it later. */
  destroy(pooled: PooledStream): void {
    if (pooled.isDestroyed) return
    pooled.isDestroyed = true
    const { branch, stream } = pooled
    this.late.remove(pooled)
    // its end is the end of its writes, and tells of it
    this.writing.remove(pooled)
    branch.streams.delete(pooled)
    branch.freed(this.pool.now())
    stream.watcher = undefined
    pooled.deadline = branch.freedAt + endingTimeout
    pooled.takenAt = branch.core.taken
    this.endings.push(pooled)
    stream.onEnded = () => {
      this.endings.remove(pooled)
      if (stream.wasSilent) this.unconfirmed(branch)
      this.pump()
    }
    stream.end(!pooled.isSpoiled, 0, "its pool has ended the stream")
    pooled.holder?.onChange()
    if (branch.core.gone !== undefined) this.endings.remove(pooled)
    this.pump()
  }

  private unconfirmed(branch: Branch): void {
    if (++branch.unconfirmed >= mostUnconfirmed && this.only === undefined) branch.core.retire()
  }

  private isEnding(branch: Branch): boolean {
    for (let ending = this.endings.first; ending !== undefined; ending = ending.next) {
      if (ending.branch === branch) return true
    }
    return false
  }

  // ---------------------------------------------------------------------------
  // Time
  // ---------------------------------------------------------------------------

  private tick(): void {
    if (this.state === "Closed") return
    const now = this.pool.now()
    while (this.writing.first !== undefined && this.writing.first.deadline <= now) {
      // it is not lent again: its end sends what is left, for which it needs no place
      this.writing.first.stream.allWritten()
    }
    while (this.endings.first !== undefined && this.endings.first.deadline <= now) {
      const ending = this.endings.first
      const { taken } = ending.branch.core
      this.endings.remove(ending)
      // a reset comes after the write that is under way, which on a slow session is nobody's fault
      if (ending.stream.isSending || (ending.stream.isWriting && ending.takenAt !== taken)) {
        ending.deadline = now + endingTimeout
        ending.takenAt = taken
        this.endings.push(ending)
      } else this.unconfirmed(ending.branch)
    }
    for (const branch of this.branches) {
      if (branch.lateAt > now) continue
      branch.lateAt = Infinity
      branch.isLate = true
      branch.full(now)
    }
    this.pump()
  }

  private arm(now: number): void {
    let at = Math.min(this.endings.first?.deadline ?? Infinity, this.writing.first?.deadline ?? Infinity)
    for (const branch of this.branches) at = Math.min(at, branch.lateAt)
    if (this.claims.first !== undefined) {
      if (this.sessionAt > now) at = Math.min(at, this.sessionAt)
      const isProbed = this.wantedStreams > 0
      for (const branch of this.branches) if (isProbed && branch.probeAt > now) at = Math.min(at, branch.probeAt)
    }
    // one that is early rings in vain, and arms it anew
    if (at >= this.armedAt) return
    this.armedAt = at
    this.sleeper.sleep(at - now)
  }
}
