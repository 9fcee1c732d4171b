/**
 * The environment of a balance machine, in the plainest form: endpoints, creations and sessions are records in arrays. It
 * performs the commands, keeps its own books about the health of each endpoint, and judges each command and each state by
 * them.
 */
import { assert } from "vitest"
import { BalanceMachine } from "../../../src/internal/core/balance/balanceMachine.js"
import type { BalanceCommand } from "../../../src/internal/core/balance/commands.js"
import type {
  ConnectAttempt,
  Endpoint,
  EndpointEntry,
  EndpointSession,
  SessionCreation,
  SessionEnd
} from "../../../src/internal/core/balance/endpoint.js"
import type { BalancePolicy } from "../../../src/internal/core/balance/policy.js"

export const ensure: (holds: boolean, rule: string) => asserts holds = (holds, rule) => {
  if (!holds) assert.fail(rule)
}

/** Milliseconds of waiting are exact: the backoff has no jitter. */
export const policy: BalancePolicy = {
  balance: "even",
  attemptDelay: 250,
  consecutiveFailures: 2,
  baseEjectionTime: 30_000,
  maxEjectionTime: 100_000,
  failbackAfter: 30_000,
  maxAttempts: 2,
  backoff: { initial: 10, factor: 2, max: 5_000, jitter: 0 }
}

export const entry = (key: string, weight = 1, priority = 0): EndpointEntry => ({ key, weight, priority })

type Attempt = ConnectAttempt<EndpointEntry, string>
type Creation = SessionCreation<EndpointEntry, string>
type Session = EndpointSession<EndpointEntry, string>
type Command = BalanceCommand<EndpointEntry, string>

export interface ModelAttempt {
  readonly id: number
  readonly record: Attempt
  readonly place: ModelEndpoint
  creation: ModelCreation | undefined
  readonly startedAt: number
  readonly lateAt: number
  state: "Opening" | "Held" | "Closing" | "Over"
  session: ModelSession | undefined
}

interface ModelCreation {
  readonly id: number
  readonly record: Creation
  state: "Trying" | "Closing" | "Over"
  readonly tried: Set<ModelEndpoint>
  nextAt: number
  winner: ModelAttempt | undefined
}

export interface ModelSession {
  readonly id: number
  readonly record: Session
  readonly place: ModelEndpoint
  /** Which attempt opened it. */
  readonly attempt: number
  readonly openedAt: number
  proved: boolean
  isLent: boolean
}

/** What the environment knows of an endpoint. */
class ModelEndpoint {
  readonly key: string
  weight = 1
  rank = 0
  listed = true
  sessions: Array<ModelSession> = []
  trouble: "none" | "failing" | "ejected" = "none"
  proofWanted = false
  /** Attempts up to this one prove nothing. */
  deaf = 0
  backoff = 0
  retryAt = -Infinity
  ejectedUntil = -Infinity
  announced = false
  multiplier = 0
  backAt = -Infinity
  wellSince: number
  provedAt: number | undefined = undefined
  strikes = 0
  connectTime = 0
  lastTurn = 0
  lowSince: number | undefined = undefined

  constructor(key: string, now: number) {
    this.key = key
    this.wellSince = now
  }
}

export class World {
  readonly machine: BalanceMachine<EndpointEntry, string>
  readonly policy: BalancePolicy
  readonly log: Array<string> = []
  readonly seen = new Set<string>()
  now = 1_000
  readonly demand = { waiting: 0 }
  endpoints: Array<ModelEndpoint> = []
  attempts: Array<ModelAttempt> = []
  creations: Array<ModelCreation> = []
  armed = Infinity
  isClosed = false
  /** Attempts so far, and choices: the machine numbers both. */
  private turns = 0
  private movedAt = -Infinity
  private nextId = 0

  constructor(policy: BalancePolicy, list: ReadonlyArray<EndpointEntry>) {
    this.policy = policy
    this.machine = new BalanceMachine(policy, this.demand, (command) => this.perform(command))
    this.list(list)
  }

  // --- events

  list(entries: ReadonlyArray<EndpointEntry>): void {
    const ordered = [...entries].sort((a, b) => a.priority - b.priority)
    for (const endpoint of this.endpoints) endpoint.listed = false
    const places = ordered.map((entry, index) => {
      let endpoint = this.endpoints.find(({ key }) => key === entry.key)
      if (endpoint === undefined) this.endpoints.push(endpoint = new ModelEndpoint(entry.key, this.now))
      endpoint.listed = true
      endpoint.weight = entry.weight
      endpoint.rank = this.policy.balance === "ordered" ? index : entry.priority
      return endpoint
    })
    const others = this.endpoints.filter(({ listed }) => !listed)
    for (const endpoint of others) endpoint.lowSince = undefined
    // the order of the machine's list
    this.endpoints = [...places, ...others]
    const limit = Math.floor(places.length / 2)
    const ejected = places.filter(({ trouble }) => trouble === "ejected")
      .sort((a, b) => a.ejectedUntil - b.ejectedUntil)
    while (ejected.length > limit) {
      const first = ejected.shift()!
      first.trouble = "failing"
      first.ejectedUntil = -Infinity
      first.backAt = this.now
    }
    this.machine.setEndpoints(entries, this.now)
    this.expectNoProbesOf(others)
  }

  private expectNoProbesOf(others: ReadonlyArray<ModelEndpoint>): void {
    for (const place of others) ensure(this.probeOf(place) === undefined, "a removed endpoint has no probe")
  }

  create(): void {
    const id = ++this.nextId
    // the commands come before `create` returns
    this.unnamed = { id, tried: new Set(), nextAt: this.now + this.policy.attemptDelay }
    const record = this.machine.create(this.now)
    this.creationOf(record)
    this.unnamed = undefined
  }

  private unnamed: Pick<ModelCreation, "id" | "tried" | "nextAt"> | undefined = undefined

  private creationOf(record: Creation): ModelCreation {
    let creation = this.creations.find((one) => one.record === record)
    if (creation === undefined) {
      ensure(this.unnamed !== undefined, "a command names a creation that exists")
      creation = { ...this.unnamed, record, state: "Trying", winner: undefined }
      this.creations.push(creation)
    }
    return creation
  }

  abandon(creation: ModelCreation): void {
    if (creation.winner !== undefined) this.drop(creation.winner.session!)
    creation.state = "Over"
    this.machine.abandon(creation.record, this.now)
    for (const attempt of this.attemptsOf(creation)) {
      ensure(
        attempt.state === "Closing" || attempt.state === "Over",
        "the attempts of an abandoned creation are closed"
      )
    }
  }

  opened(attempt: ModelAttempt): void {
    const { creation, place } = attempt
    const took = this.now - attempt.startedAt
    place.connectTime = place.connectTime === 0 ? took : 0.7 * place.connectTime + 0.3 * took
    attempt.state = "Held"
    if (place.trouble !== "none" && !place.proofWanted && attempt.id > place.deaf) this.recover(place)
    if (creation !== undefined) this.win(creation, attempt)
    this.machine.opened(attempt.record, this.now)
    this.name(attempt)
  }

  private win(creation: ModelCreation, winner: ModelAttempt): void {
    creation.winner = winner
    creation.state = "Closing"
    winner.creation = creation
    const losers = this.attemptsOf(creation).filter((one) => one !== winner && one.state !== "Over")
    for (const { id, lateAt, place } of losers) {
      if (place.trouble === "none" && lateAt <= this.now && id > place.deaf) {
        place.retryAt = this.now
        this.startTrouble(place)
      }
    }
    if (winner.session === undefined) this.sessionOf(winner)
    winner.place.sessions.push(winner.session!)
    winner.session!.isLent = false
  }

  private sessionOf(attempt: ModelAttempt): void {
    const { id, place } = attempt
    // the machine makes the record within its transition
    attempt.session = {
      id,
      get record() {
        return attempt.record.session!
      },
      place,
      attempt: id,
      openedAt: this.now,
      proved: false,
      isLent: false
    }
  }

  private name(attempt: ModelAttempt): void {
    if (attempt.session === undefined && attempt.state === "Held") this.sessionOf(attempt)
  }

  failed(attempt: ModelAttempt): void {
    const { creation, place } = attempt
    attempt.state = "Over"
    this.strain(place, attempt.id)
    if (creation !== undefined) creation.nextAt = this.now
    for (const other of this.creations) {
      if (other.state === "Trying" && this.liveAttemptsOf(other).length === 0) other.tried.add(place)
    }
    this.machine.failed(attempt.record, "no connection", this.now, 0.5)
  }

  closed(attempt: ModelAttempt): void {
    attempt.state = "Over"
    this.machine.closed(attempt.record, this.now)
  }

  proved(session: ModelSession): void {
    if (session.place.trouble !== "ejected") session.place.strikes = 0
    this.prove(session)
    this.machine.proved(session.record, this.now)
  }

  ended(session: ModelSession, how: SessionEnd): void {
    const { place } = session
    const isYoung = how === "Died" && !session.proved && session.openedAt + 5_000 > this.now
    const isNews = session.attempt > place.deaf
    const probe = this.probeOf(place)
    if (probe?.session === session) probe.state = "Over"
    this.drop(session)
    if (isYoung && (isNews || place.trouble !== "none")) place.proofWanted = true
    if (isYoung) this.strain(place, session.attempt)
    if (isYoung || how === "CheckFailed" || how === "Suspect") this.strike(place, isNews)
    this.machine.ended(session.record, how, undefined, this.now, 0.5)
  }

  private strike(place: ModelEndpoint, isNews: boolean): void {
    if (place.trouble === "ejected") {
      if (isNews && place.ejectedUntil <= this.now) this.eject(place)
      return
    }
    place.strikes++
    const limit = Math.floor(this.listed.length / 2)
    const ejected = this.listed.filter(({ trouble }) => trouble === "ejected").length
    if (place.strikes >= this.policy.consecutiveFailures && place.listed && ejected < limit) {
      this.expectedEjection = place
      this.eject(place)
    }
  }

  private expectedEjection: ModelEndpoint | undefined = undefined

  advance(millis: number): void {
    this.now += millis
  }

  /** Time passes until the machine wants to wake, at most. */
  wake(): void {
    this.now = Math.max(this.now, this.armed)
    this.armed = Infinity
    this.machine.tick(this.now)
  }

  close(): void {
    this.isClosed = true
    for (const creation of this.creations) if (creation.state === "Trying") creation.state = "Over"
    this.machine.close()
    for (const { creation, state } of this.attempts) {
      ensure(creation?.state === "Closing" || state === "Closing" || state === "Over", "close ends every attempt")
    }
  }

  // --- books

  get listed(): Array<ModelEndpoint> {
    return this.endpoints.filter(({ listed }) => listed)
  }

  /** Sessions that the pool has. */
  get sessions(): Array<ModelSession> {
    return this.endpoints.flatMap(({ sessions }) => sessions)
  }

  attemptsOf(creation: ModelCreation): Array<ModelAttempt> {
    return this.attempts.filter((attempt) => attempt.creation === creation)
  }

  private liveAttemptsOf(creation: ModelCreation): Array<ModelAttempt> {
    return this.attemptsOf(creation).filter(({ state }) => state === "Opening")
  }

  attemptsAt(place: ModelEndpoint): Array<ModelAttempt> {
    return this.attempts.filter((attempt) => attempt.place === place && attempt.state === "Opening")
  }

  probeOf(place: ModelEndpoint): ModelAttempt | undefined {
    return this.attempts.find((attempt) =>
      attempt.place === place && attempt.creation === undefined &&
      (attempt.state === "Opening" || attempt.state === "Held")
    )
  }

  private drop(session: ModelSession): void {
    session.place.sessions = session.place.sessions.filter((one) => one !== session)
  }

  /** The machine forgets removed endpoints that have nothing left. */
  private forgetGone(): void {
    this.endpoints = this.endpoints.filter((place) =>
      place.listed || place.sessions.length > 0 || this.attemptsAt(place).length > 0
    )
  }

  private startTrouble(place: ModelEndpoint): void {
    if (place.trouble === "none") place.trouble = "failing"
    place.deaf = this.turns
    place.provedAt = undefined
    place.lowSince = undefined
  }

  private strain(place: ModelEndpoint, attempt: number): void {
    if (attempt <= place.deaf) return
    const { factor, initial, max } = this.policy.backoff
    place.backoff = place.backoff === 0 ? initial : Math.min(max, place.backoff * factor)
    place.retryAt = this.now + place.backoff
    this.startTrouble(place)
  }

  private eject(place: ModelEndpoint): void {
    const { baseEjectionTime, maxEjectionTime } = this.policy
    if (place.trouble !== "ejected" && place.backAt > -Infinity) {
      for (let at = place.backAt + 10_000; at <= this.now && place.multiplier > 0; at += 10_000) place.multiplier--
    }
    place.multiplier++
    this.startTrouble(place)
    place.trouble = "ejected"
    place.announced = true
    place.proofWanted = true
    place.ejectedUntil = this.now +
      Math.min(place.multiplier * baseEjectionTime, Math.max(baseEjectionTime, maxEjectionTime))
    place.strikes = 0
  }

  private recover(place: ModelEndpoint): void {
    if (place.trouble === "ejected") place.backAt = this.now
    place.trouble = "none"
    place.proofWanted = false
    place.backoff = 0
    place.retryAt = -Infinity
    place.ejectedUntil = -Infinity
    place.strikes = 0
    place.wellSince = this.now
    place.provedAt = undefined
  }

  private prove(session: ModelSession): void {
    const { place } = session
    session.proved = true
    if (session.attempt <= place.deaf) return
    if (place.trouble !== "none") this.recover(place)
    place.provedAt ??= this.now
  }

  /** Sessions whose age proves their endpoint good now or later. */
  private ageing(place: ModelEndpoint): Array<ModelSession> {
    const probe = this.probeOf(place)?.session
    const wanted = place.trouble !== "none" || place.provedAt === undefined ? place.sessions : []
    return [...wanted, ...(probe === undefined ? [] : [probe])]
      .filter(({ attempt, proved }) => attempt > place.deaf && !proved)
  }

  // --- what the machine may do

  private allowance({ provedAt, trouble }: ModelEndpoint): number {
    if (trouble !== "none" || provedAt === undefined) return 1
    const seconds = this.secondsSince(provedAt)
    return seconds >= 10 ? Infinity : 2 * 2 ** seconds
  }

  private secondsSince(start: number): number {
    for (let seconds = 1; seconds <= 10; seconds++) if (start + 1_000 * seconds > this.now) return seconds - 1
    return 10
  }

  private hasRoom(place: ModelEndpoint): boolean {
    return this.attemptsAt(place).length < this.allowance(place) || this.probeOf(place)?.state === "Held"
  }

  private isPrompt(place: ModelEndpoint): boolean {
    const oldest = this.attemptsAt(place)[0]
    return place.trouble === "none" && (oldest === undefined || oldest.lateAt > this.now)
  }

  private load(place: ModelEndpoint): number {
    const openings = this.attemptsAt(place).filter(({ creation }) => creation !== undefined).length
    return (place.sessions.length + openings) / place.weight
  }

  /** The endpoint that this creation has to try now; otherwise when it has to ask again. */
  private choice(creation: ModelCreation): ModelEndpoint | number | "none" {
    const open = this.listed.filter((place) => !creation.tried.has(place))
    const prompt = open.filter((place) => this.isPrompt(place))
    const best = Math.min(...prompt.map(({ rank }) => rank))
    const allowed = creation.nextAt <= this.now ? prompt : prompt.filter(({ rank }) => rank === best)
    const roomy = allowed.filter((place) => this.hasRoom(place))
      .sort((a, b) => a.rank - b.rank || this.load(a) - this.load(b) || a.lastTurn - b.lastTurn)
    if (roomy.length > 0) return roomy[0]!
    if (prompt.length > 0) {
      const changes = allowed.flatMap((place) => [
        this.attemptsAt(place)[0]?.lateAt ?? Infinity,
        this.allowance(place) < Infinity && place.provedAt !== undefined
          ? place.provedAt + 1_000 * (1 + this.secondsSince(place.provedAt))
          : Infinity
      ])
      return Math.min(...changes, creation.nextAt > this.now ? creation.nextAt : Infinity)
    }
    if (this.liveAttemptsOf(creation).length > 0) {
      return open.find((place) => this.probeOf(place)?.state === "Held") ?? (open.length === 0 ? "none" : Infinity)
    }
    const due = (place: ModelEndpoint) => Math.max(place.retryAt, place.ejectedUntil)
    const wellFirst = [
      ...open.filter(({ trouble }) => trouble === "none").sort((a, b) => a.rank - b.rank),
      ...open.filter(({ trouble }) => trouble !== "none").sort((a, b) => due(a) - due(b) || a.rank - b.rank)
    ]
    const now = wellFirst.find((place) =>
      this.hasRoom(place) && (!place.proofWanted || place.retryAt <= this.now || this.probeOf(place)?.state === "Held")
    )
    if (now !== undefined) return now
    if (open.length === 0) return "none"
    return Math.min(...open.filter((place) => this.attemptsAt(place).length === 0).map(({ retryAt }) => retryAt))
  }

  private get isActive(): boolean {
    return this.unnamed !== undefined || this.sessions.length > 0 ||
      this.creations.some(({ state }) => state === "Trying")
  }

  /** Probes run one at a time; while no endpoint is well, they wait until all attempts are late. */
  private get probesFrom(): number {
    if (this.listed.some((place) => this.probeOf(place) !== undefined)) return Infinity
    if (this.listed.some(({ trouble }) => trouble === "none")) return -Infinity
    return Math.max(-Infinity, ...this.listed.flatMap((place) => this.attemptsAt(place)).map(({ lateAt }) => lateAt))
  }

  private probeDue(place: ModelEndpoint): number {
    return Math.max(this.probesFrom, this.probeWanted(place))
  }

  private probeWanted(place: ModelEndpoint): number {
    if (!place.listed || !this.isActive || this.probeOf(place) !== undefined || this.attemptsAt(place).length > 0) {
      return Infinity
    }
    if (place.trouble !== "none") return Math.max(place.retryAt, place.ejectedUntil)
    const isBetter = this.listed.some((other) => other.rank > place.rank && other.sessions.length > 0)
    return isBetter && place.provedAt === undefined && place.sessions.length === 0 ? -Infinity : Infinity
  }

  // --- commands

  private perform(command: Command): void {
    this.log.push(command._tag)
    this.seen.add(command._tag)
    switch (command._tag) {
      case "Open":
        return this.onOpen(command.attempt)
      case "Cancel": {
        const attempt = this.attempts.find(({ record }) => record === command.attempt)!
        ensure(attempt.state === "Opening" || attempt.state === "Held", "only attempts under way are cancelled")
        if (attempt.creation === undefined) this.judgeProbeEnd(attempt)
        else {
          const { creation } = attempt
          if (creation.state === "Trying") this.adoptedBeside(creation)
          ensure(creation.state !== "Trying", "an attempt of a creation that still tries goes on")
          ensure(this.isClosed || creation.state === "Over" || creation.winner !== attempt, "a winner is not closed")
        }
        attempt.state = "Closing"
        return
      }
      case "Won": {
        const creation = this.creationOf(command.creation)
        const winner = this.attempts.find(({ record }) => record === command.attempt)!
        if (creation.state === "Trying") this.adopted(creation, winner)
        ensure(creation.state === "Closing" && creation.winner === winner, "the first session wins")
        for (const attempt of this.attemptsOf(creation)) {
          ensure(attempt === winner || attempt.state === "Over", "a loser is closed before the winner is lent")
        }
        creation.state = "Over"
        winner.state = "Over"
        winner.session!.isLent = true
        return
      }
      case "Failed": {
        const creation = this.creationOf(command.creation)
        ensure(creation.state === "Trying", "a creation ends once")
        ensure(this.liveAttemptsOf(creation).length === 0, "a creation fails when all its attempts have")
        this.proveByAge()
        ensure(this.choice(creation) === "none", "a creation fails when no endpoint is left to try")
        creation.state = "Over"
        return
      }
      case "Retire":
        return this.onRetire(command.session)
      case "Ejected":
        ensure(this.expectedEjection?.key === command.endpoint.entry.key, "only failing sessions eject an endpoint")
        ensure(this.now + command.duration === this.expectedEjection.ejectedUntil, "an ejection has its multiplier")
        this.expectedEjection = undefined
        return
      case "Back":
        // by age, within this transition
        this.proveByAge()
        ensure(this.placeOf(command.endpoint).trouble === "none", "an endpoint is back when it has proved good")
        ensure(command.wasEjected === this.placeOf(command.endpoint).announced, "`Back` follows `Ejected`")
        this.placeOf(command.endpoint).announced = false
        return
      case "Troubled":
        return
      case "WakeAt":
        this.armed = command.at
    }
  }

  private placeOf({ entry: { key } }: Endpoint<EndpointEntry, string>): ModelEndpoint {
    return this.endpoints.find((place) => place.key === key)!
  }

  private proveByAge(): void {
    for (const place of this.endpoints) {
      for (const session of this.ageing(place)) if (session.openedAt + 5_000 <= this.now) this.prove(session)
    }
  }

  private onOpen(record: Attempt): void {
    this.proveByAge()
    const place = this.placeOf(record.endpoint)
    const creation = record.creation === undefined ? undefined : this.creationOf(record.creation)
    if (creation === undefined) {
      ensure(this.probeDue(place) <= this.now, `a probe of ${place.key} comes when it is due`)
      for (const other of this.listed) {
        ensure(this.probeWanted(place) <= this.probeWanted(other), `${other.key} was due before ${place.key}`)
      }
      ensure(this.wantsNothing(), "creations come before probes")
    } else {
      this.judgeChoice(creation, place)
      ensure(this.liveAttemptsOf(creation).length < 2, "at most two attempts of a creation run at a time")
      place.lastTurn = ++this.turns
      creation.tried.add(place)
    }
    const delay = place.connectTime > this.policy.attemptDelay ? 2 * place.connectTime : this.policy.attemptDelay
    const attempt: ModelAttempt = {
      id: ++this.turns,
      record,
      place,
      creation,
      startedAt: this.now,
      lateAt: this.now + delay,
      state: "Opening",
      session: undefined
    }
    ensure(record.turn === attempt.id, "attempts are numbered in turn")
    if (creation !== undefined) creation.nextAt = attempt.lateAt
    this.attempts.push(attempt)
  }

  private judgeChoice(creation: ModelCreation, place: ModelEndpoint): void {
    ensure(creation.state === "Trying", "an attempt is for a creation that has no session")
    ensure(this.maySeek(creation), "a second attempt comes after `attemptDelay`, or a failure")
    const expected = this.choice(creation)
    const name = typeof expected === "object" ? expected.key : String(expected)
    ensure(expected === place, `the creation tries ${name}, not ${place.key}`)
  }

  private maySeek(creation: ModelCreation): boolean {
    const count = this.liveAttemptsOf(creation).length
    return count === 0 || (count === 1 && creation.nextAt <= this.now)
  }

  /** A creation takes the session of a probe. */
  private adopted(creation: ModelCreation, probe: ModelAttempt): void {
    ensure(probe.state === "Held" && probe.creation === undefined, "a session that no attempt opened was a probe's")
    this.judgeChoice(creation, probe.place)
    probe.place.lastTurn = ++this.turns
    creation.tried.add(probe.place)
    this.win(creation, probe)
  }

  /** A creation takes the session of a probe, so that its attempt under way is closed first. */
  private adoptedBeside(creation: ModelCreation): void {
    this.proveByAge()
    const place = this.choice(creation)
    const probe = typeof place === "object" ? this.probeOf(place) : undefined
    ensure(probe?.state === "Held", "an attempt of a creation that still tries goes on")
    this.adopted(creation, probe)
  }

  private judgeProbeEnd(probe: ModelAttempt): void {
    this.proveByAge()
    const { place, session } = probe
    const isDone = session?.proved === true
    const isOut = !place.listed || probe.id <= place.deaf
    ensure(this.isClosed || isDone || isOut, "a probe goes on until it has proved its endpoint good")
  }

  /** No creation can begin an attempt now. */
  private wantsNothing(): boolean {
    return this.creations.every((creation) =>
      creation.state !== "Trying" || !this.maySeek(creation) || typeof this.choice(creation) !== "object"
    )
  }

  private onRetire(record: Session): void {
    this.proveByAge()
    this.noteBelow()
    const session = this.sessions.find((one) => one.record === record)
    ensure(session !== undefined, "only a session of the pool is retired")
    ensure(this.movedAt + this.policy.failbackAfter / 10 <= this.now, "sessions move one at a time")
    ensure(this.demand.waiting === 0 || this.sessions.length > 1, "not the last session while borrowers wait")
    ensure(this.wantsMove(session.place), `a session of ${session.place.key} moves for a reason`)
    this.movedAt = this.now
    this.drop(session)
  }

  private get well(): Array<ModelEndpoint> {
    return this.listed.filter(({ trouble }) => trouble === "none")
  }

  /** Endpoints that could have one more session, and have no more than the fullest, for their weight. */
  private below(rank: number): Array<ModelEndpoint> {
    const equals = this.well.filter((place) => place.rank === rank)
    const most = Math.max(...equals.map(({ sessions, weight }) => (sessions.length - 1) / weight))
    return equals.filter((place) => this.load(place) + 1 / place.weight <= most + 1e-9)
  }

  private noteBelow(): void {
    for (const place of this.well) {
      if (this.below(place.rank).includes(place)) place.lowSince ??= this.now
      else place.lowSince = undefined
    }
  }

  private wantsMove(place: ModelEndpoint): boolean {
    const { failbackAfter } = this.policy
    if (!place.listed) return this.well.length > 0
    if (this.listed.some(({ rank, sessions }) => rank > place.rank && sessions.length > 0)) {
      // a worse rank would give first, unless its own rank has to balance
      return this.canSpare(place)
    }
    const isFailback = this.well.some(({ provedAt, rank, wellSince }) =>
      rank < place.rank && provedAt !== undefined && wellSince + failbackAfter <= this.now
    )
    return isFailback || this.canSpare(place)
  }

  private canSpare(place: ModelEndpoint): boolean {
    const share = (place.sessions.length - 1) / place.weight
    const equals = this.well.filter(({ rank }) => rank === place.rank)
    const isFullest = equals.every(({ sessions, weight }) => (sessions.length - 1) / weight <= share + 1e-9)
    return place.trouble === "none" && isFullest &&
      this.below(place.rank).some(({ lowSince }) =>
        lowSince !== undefined && lowSince + this.policy.failbackAfter <= this.now
      )
  }

  // --- after each step

  judge(): void {
    if (this.isClosed) return
    this.forgetGone()
    this.proveByAge()
    this.noteBelow()
    const listed = this.machine.listed
    ensure(this.expectedEjection === undefined, "an endpoint is ejected in the step of its last failure")
    const ejected = listed.filter(({ health }) => health === "Ejected").length
    ensure(ejected <= Math.floor(listed.length / 2), "at most half of the endpoints are ejected")
    this.listed.forEach((place, index) => {
      const endpoint = listed[index]!
      ensure(endpoint.entry.key === place.key, "the list has its order")
      const health = { none: "Well", failing: "Failing", ejected: "Ejected" }[place.trouble]
      ensure(endpoint.health === health, `${place.key} is ${health}, not ${endpoint.health}`)
      ensure(endpoint.needsProof === place.proofWanted, `${place.key} needs the proof that it has to give`)
      ensure(endpoint.retryAt === place.retryAt, `${place.key} is tried again at ${place.retryAt}`)
      ensure(endpoint.ejectedUntil === place.ejectedUntil, `${place.key} is ejected until ${place.ejectedUntil}`)
      ensure(endpoint.provenAt === place.provedAt, `${place.key} has proved good at ${place.provedAt}`)
      ensure(endpoint.failures === place.strikes, `${place.key} has ${place.strikes} failures in a row`)
      ensure(endpoint.sessions.size === place.sessions.length, `${place.key} has ${place.sessions.length} sessions`)
      ensure(endpoint.attempts.size === this.attemptsAt(place).length, `${place.key} counts its attempts`)
      ensure(
        endpoint.attempts.size <= endpoint.allowance(this.now) || place.trouble !== "none" ||
          place.provedAt === undefined,
        `${place.key} has no more openings than it may`
      )
      ensure(this.probeDue(place) > this.now, `${place.key} is probed when it is due`)
    })
    for (const creation of this.creations) {
      const choice = creation.state === "Trying" && this.maySeek(creation) ? this.choice(creation) : "none"
      const name = typeof choice === "object" ? choice.key : ""
      ensure(name === "", `creation ${creation.id} may try ${name}`)
    }
    for (const creation of this.creations) {
      if (creation.state !== "Trying" || this.liveAttemptsOf(creation).length > 0) continue
      ensure(this.choice(creation) !== "none", "a creation without an endpoint fails at once")
    }
    ensure(this.armed > this.now, "the machine wakes later than now")
    ensure(this.armed <= this.due(), `the machine wakes at ${this.due()}, not only at ${this.armed}`)
    if (!this.isActive && this.attempts.every(({ state }) => state !== "Held")) {
      ensure(this.armed === Infinity, "a pool without sessions keeps no timer")
    }
  }

  /** When something is due at the latest. */
  private due(): number {
    const times = [Infinity]
    for (const place of this.endpoints) {
      times.push(this.probeDue(place))
      for (const { openedAt } of this.ageing(place)) times.push(openedAt + 5_000)
    }
    for (const creation of this.creations) {
      if (creation.state !== "Trying") continue
      const count = this.liveAttemptsOf(creation).length
      if (count === 1 && creation.nextAt > this.now) times.push(creation.nextAt)
      const choice = this.maySeek(creation) ? this.choice(creation) : Infinity
      if (typeof choice === "number") times.push(choice)
    }
    const movers = this.endpoints.filter((place) => place.sessions.length > 0 && this.wantsMove(place))
    const isHeldBack = this.demand.waiting > 0 && this.sessions.length <= 1
    if (movers.length > 0) times.push((isHeldBack ? this.now : this.movedAt) + this.policy.failbackAfter / 10)
    return Math.min(...times)
  }

  /** From now on every endpoint is well: every creation gets a session, every endpoint comes back. */
  beKind(): void {
    for (let i = 0; i < 2_000; i++) {
      const opening = this.attempts.find(({ state }) => state === "Opening" || state === "Closing")
      if (opening?.state === "Opening") this.opened(opening)
      else if (opening?.state === "Closing") this.closed(opening)
      else if (this.armed < Infinity) this.wake()
      else break
      this.judge()
    }
    ensure(this.creations.every(({ state }) => state === "Over"), "every creation ends")
    if (this.sessions.length === 0) return
    for (const { key, trouble } of this.listed) ensure(trouble === "none", `${key} comes back`)
  }

  snapshot(): string {
    const ago = (at: number | undefined) => at === undefined || Math.abs(at) === Infinity ? at : at - this.now
    return JSON.stringify([
      this.listed.length,
      this.endpoints.map((place) => [
        place.key,
        place.listed,
        place.trouble,
        place.proofWanted,
        ago(place.retryAt),
        ago(place.ejectedUntil),
        ago(place.provedAt),
        place.strikes,
        place.multiplier,
        place.sessions.map(({ attempt, openedAt, proved }) => [proved, ago(openedAt), attempt > place.deaf])
      ]),
      this.attempts.filter(({ state }) => state !== "Over").map(({ creation, place, startedAt, state }) => [
        place.key,
        state,
        ago(startedAt),
        creation?.id === undefined ? -1 : this.creations.indexOf(creation)
      ]),
      this.creations.map((
        { nextAt, state, tried }
      ) => [state, state === "Trying" && ago(nextAt), [...tried].map(({ key }) => key)])
    ])
  }
}
