/**
 * Decides which endpoint each session of a pool is opened to: order, weights and priorities, several attempts in one
 * creation, the health of endpoints and their probes, and the sessions that move to another endpoint. Plain and synchronous:
 * time and chance are arguments, failures are opaque, and the shell performs the machine's commands after the transition.
 */
import { Outbox } from "../outbox.js"
import { choose } from "./choice.js"
import type { BalanceCommand } from "./commands.js"
import {
  ConnectAttempt,
  type Endpoint,
  type EndpointEntry,
  EndpointSession,
  SessionCreation,
  type SessionEnd
} from "./endpoint.js"
import { EndpointList } from "./endpointList.js"
import { Moves } from "./moves.js"
import { aliveProof, type BalancePolicy, type SessionDemand } from "./policy.js"
import { Probes } from "./probes.js"

/** `D`: an entry of the user's list. `F`: why an attempt failed. Times are milliseconds of a monotonic clock. */
export class BalanceMachine<D extends EndpointEntry, F> {
  readonly policy: BalancePolicy
  readonly list: EndpointList<D, F>
  /** The creations that have no session yet, the oldest first. */
  private readonly creations = new Set<SessionCreation<D, F>>()
  private readonly moves: Moves<D, F>
  private readonly probes: Probes<D, F>
  private readonly outbox: Outbox<BalanceCommand<D, F>>
  private turns = 0
  private isClosed = false
  private armedAt = Infinity

  constructor(policy: BalancePolicy, demand: SessionDemand, perform: (command: BalanceCommand<D, F>) => void) {
    this.policy = policy
    this.list = new EndpointList(policy.balance)
    this.moves = new Moves(policy, demand)
    this.probes = new Probes(policy, this.list)
    this.outbox = new Outbox((command) => {
      // a later command has replaced this time
      if (command._tag !== "WakeAt" || command.at === this.armedAt) perform(command)
    })
  }

  // --- the list

  /** Replaces the list. Endpoints are the same if their keys are. The keys of a list must differ. */
  setEndpoints(entries: ReadonlyArray<D>, now: number): void {
    for (const endpoint of this.list.replace(entries, now)) this.dropProbe(endpoint)
    this.settle(now)
  }

  /** The latest list, the best rank first. */
  get listed(): ReadonlyArray<Endpoint<D, F>> {
    return this.list.listed
  }

  // --- creations

  /** The pool needs a session. Answered by `Won` or `Failed`. `chance`, here and below: a random number in [0, 1). */
  create(now: number, chance: number): SessionCreation<D, F> {
    const creation = new SessionCreation<D, F>(now + this.policy.attemptDelay, chance)
    this.creations.add(creation)
    this.settle(now)
    return creation
  }

  /** The pool no longer needs the session. The shell closes the session that the creation has won already. */
  abandon(creation: SessionCreation<D, F>, now: number): void {
    const { winner } = creation
    if (winner?.session !== undefined) this.forget(winner.session)
    if (winner !== undefined && creation.state === "Closing") this.outbox.push({ _tag: "Cancel", attempt: winner })
    this.endCreation(creation, "Abandoned")
    for (const attempt of creation.attempts) this.cancel(attempt)
    this.settle(now)
  }

  private endCreation(creation: SessionCreation<D, F>, state: "Won" | "Failed" | "Abandoned"): void {
    creation.state = state
    this.creations.delete(creation)
  }

  // --- attempts

  opened(attempt: ConnectAttempt<D, F>, now: number): void {
    if (attempt.state !== "Opening") return
    const { creation, endpoint } = attempt
    this.leaveOpening(attempt)
    attempt.state = "Open"
    attempt.session = new EndpointSession(attempt, now)
    endpoint.connected(now - attempt.startedAt)
    const ends = endpoint.health !== "Well" && !endpoint.needsProof && attempt.turn > endpoint.troubleTurn
    if (ends) this.recover(endpoint, now)
    if (creation !== undefined) this.win(creation, attempt, now)
    this.settle(now)
  }

  /** The first session wins; the other attempt is closed before the pool gets the session. */
  private win(creation: SessionCreation<D, F>, attempt: ConnectAttempt<D, F>, now: number): void {
    creation.winner = attempt
    creation.attempts.delete(attempt)
    attempt.endpoint.sessions.add(attempt.session!)
    creation.state = "Closing"
    this.creations.delete(creation)
    for (const loser of creation.attempts) {
      const { endpoint, lateAt } = loser
      this.cancel(loser)
      if (endpoint.health === "Well" && lateAt <= now && loser.turn > endpoint.troubleTurn) {
        endpoint.avoid(this.turns, now)
        this.dropProbe(endpoint)
        this.outbox.push({ _tag: "Troubled", endpoint, why: "Late" })
      }
    }
    this.deliver(creation)
  }

  private deliver(creation: SessionCreation<D, F>): void {
    if (creation.state !== "Closing" || creation.attempts.size > 0) return
    this.endCreation(creation, "Won")
    this.outbox.push({ _tag: "Won", creation, attempt: creation.winner! })
  }

  failed(attempt: ConnectAttempt<D, F>, failure: F, now: number, chance: number): void {
    if (attempt.state !== "Opening") return
    const { creation, endpoint } = attempt
    this.leaveOpening(attempt)
    attempt.state = "Over"
    endpoint.failed++
    endpoint.lastFailure = failure
    if (endpoint.probe === attempt) endpoint.probe = undefined
    this.trouble(endpoint, attempt.turn, "Connect", now, chance)
    if (creation !== undefined) {
      creation.attempts.delete(attempt)
      creation.tried.set(endpoint, failure)
      // the next endpoint is tried at once
      creation.nextAt = now
    }
    // creations that wait for an attempt share its outcome
    for (const other of this.creations) {
      if (other.attempts.size === 0 && !other.tried.has(endpoint)) other.tried.set(endpoint, failure)
    }
    this.settle(now)
  }

  /** The attempt is closed, or its session. */
  closed(attempt: ConnectAttempt<D, F>, now: number): void {
    if (attempt.state !== "Cancelled") return
    attempt.state = "Over"
    const { creation } = attempt
    if (creation === undefined) return
    creation.attempts.delete(attempt)
    this.deliver(creation)
    this.settle(now)
  }

  private leaveOpening(attempt: ConnectAttempt<D, F>): void {
    const { creation, endpoint } = attempt
    endpoint.attempts.delete(attempt)
    if (creation !== undefined) endpoint.openings--
  }

  private cancel(attempt: ConnectAttempt<D, F>): void {
    const { endpoint, session } = attempt
    if (attempt.state !== "Opening" && attempt.state !== "Open") return
    if (attempt.state === "Opening") this.leaveOpening(attempt)
    if (endpoint.probe === attempt) endpoint.probe = undefined
    if (session !== undefined) this.forget(session)
    attempt.state = "Cancelled"
    this.outbox.push({ _tag: "Cancel", attempt })
  }

  /** A probe that began before the latest trouble proves nothing. */
  private dropProbe({ probe }: Endpoint<D, F>): void {
    if (probe !== undefined) this.cancel(probe)
  }

  // --- sessions

  /** The session passed a check, or came back from a borrower that succeeded. */
  proved(session: EndpointSession<D, F>, now: number): void {
    if (session.isOver) return
    if (session.endpoint.health !== "Ejected") session.endpoint.failures = 0
    if (this.prove(session, now)) this.settle(now)
  }

  /** Returns whether something changed. */
  private prove(session: EndpointSession<D, F>, now: number): boolean {
    const { endpoint, turn } = session
    const isFirst = !session.isProven
    session.isProven = true
    if (turn <= endpoint.troubleTurn) return false
    if (endpoint.health !== "Well") this.recover(endpoint, now)
    if (endpoint.provenAt !== undefined) return isFirst
    endpoint.provenAt = now
    return true
  }

  /** The session takes no new borrower, or is dead. The first call counts. */
  ended(session: EndpointSession<D, F>, how: SessionEnd, failure: F | undefined, now: number, chance: number): void {
    if (session.isOver) return
    const { endpoint, isProven, turn } = session
    const isYoung = how === "Died" && !isProven && session.openedAt + aliveProof > now
    const probe = endpoint.probe?.session === session ? endpoint.probe : undefined
    const isNews = turn > endpoint.troubleTurn
    this.forget(session)
    if (probe !== undefined) {
      endpoint.probe = undefined
      probe.state = "Over"
    }
    if (isYoung || how === "CheckFailed" || how === "Suspect") {
      if (failure !== undefined) endpoint.lastFailure = failure
      if (isYoung) {
        if (isNews || endpoint.health !== "Well") endpoint.needsProof = true
        this.trouble(endpoint, turn, "Death", now, chance)
      }
      this.count(endpoint, isNews, now)
    }
    this.settle(now)
  }

  private forget(session: EndpointSession<D, F>): void {
    session.isOver = true
    session.endpoint.sessions.delete(session)
  }

  // --- health

  private trouble(endpoint: Endpoint<D, F>, turn: number, why: "Connect" | "Death", now: number, chance: number): void {
    // attempts that ran beside the one that failed count as one
    if (turn <= endpoint.troubleTurn) return
    const wasWell = endpoint.health === "Well"
    endpoint.fail(this.turns, this.policy, now, chance)
    this.dropProbe(endpoint)
    if (wasWell) this.outbox.push({ _tag: "Troubled", endpoint, why })
  }

  /** A session of the endpoint failed. `isNews`: it was opened since the endpoint's trouble began. */
  private count(endpoint: Endpoint<D, F>, isNews: boolean, now: number): void {
    if (endpoint.health === "Ejected") {
      // the ejection was over: the endpoint is no better
      if (isNews && endpoint.ejectedUntil <= now) {
        endpoint.eject(this.turns, this.policy, now)
        this.dropProbe(endpoint)
      }
      return
    }
    endpoint.failures++
    if (endpoint.failures < this.policy.consecutiveFailures || !endpoint.isListed) return
    if (!this.list.mayEject) return
    const duration = endpoint.eject(this.turns, this.policy, now)
    this.dropProbe(endpoint)
    this.outbox.push({ _tag: "Ejected", endpoint, duration })
  }

  private recover(endpoint: Endpoint<D, F>, now: number): void {
    const { wasEjected } = endpoint
    endpoint.recover(now)
    this.outbox.push({ _tag: "Back", endpoint, wasEjected })
  }

  // --- time

  /** Does what is due. Answers `WakeAt`. */
  tick(now: number): void {
    this.armedAt = Infinity
    this.settle(now)
  }

  /** The demand of the pool has changed. */
  demandChanged(now: number): void {
    this.settle(now)
  }

  /** Cancels everything that is under way. Sessions are the pool's. */
  close(): void {
    this.isClosed = true
    for (const creation of [...this.creations]) {
      this.endCreation(creation, "Abandoned")
      for (const attempt of creation.attempts) this.cancel(attempt)
    }
    for (const { probe } of this.list.known()) if (probe !== undefined) this.cancel(probe)
    this.arm(Infinity)
    this.outbox.flush()
  }

  private settle(now: number): void {
    if (!this.isClosed) {
      this.proveAlive(now)
      this.advanceAll(now)
      this.beginProbe(now)
      for (let session = this.moves.next(this.list.known(), now); session !== undefined;) {
        this.forget(session)
        this.outbox.push({ _tag: "Retire", session })
        session = this.moves.next(this.list.known(), now)
      }
      this.list.forgetUnused()
      this.arm(this.nextDue(now))
    }
    this.outbox.flush()
  }

  /** Sessions prove good by their age, where a proof is wanted. */
  private proveAlive(now: number): void {
    for (const endpoint of this.list.known()) {
      for (const session of endpoint.unproven()) {
        if (session.openedAt + aliveProof <= now) this.prove(session, now)
      }
      const { probe } = endpoint
      // its session is not the pool's
      if (probe?.session?.isProven === true) this.cancel(probe)
    }
  }

  /** A choice may make room for an earlier creation. */
  private advanceAll(now: number): void {
    for (let before = -1; before !== this.turns;) {
      before = this.turns
      for (const creation of [...this.creations]) this.advance(creation, now)
    }
  }

  /** Begins the attempts that a creation may begin now. */
  private advance(creation: SessionCreation<D, F>, now: number): void {
    while (creation.state === "Trying" && creation.attempts.size < this.policy.maxAttempts) {
      if (creation.attempts.size > 0 && now < creation.nextAt) return
      const choice = choose(this.listed, creation, now, this.policy)
      if (choice._tag !== "Try") {
        if (choice._tag === "None" && creation.attempts.size === 0) {
          this.endCreation(creation, "Failed")
          this.outbox.push({ _tag: "Failed", creation })
        }
        return
      }
      this.tryEndpoint(creation, choice.endpoint, now)
    }
  }

  private tryEndpoint(creation: SessionCreation<D, F>, endpoint: Endpoint<D, F>, now: number): void {
    const { probe } = endpoint
    creation.tried.set(endpoint, undefined)
    endpoint.chosenTurn = ++this.turns
    if (probe?.state === "Open") {
      endpoint.probe = undefined
      probe.creation = creation
      return this.win(creation, probe, now)
    }
    const attempt = this.open(endpoint, creation, now)
    creation.attempts.add(attempt)
    creation.nextAt = attempt.lateAt
    endpoint.openings++
  }

  private open(
    endpoint: Endpoint<D, F>,
    creation: SessionCreation<D, F> | undefined,
    now: number
  ): ConnectAttempt<D, F> {
    const attempt = new ConnectAttempt(endpoint, creation, ++this.turns, now, endpoint.attemptDelay(this.policy))
    endpoint.attempts.add(attempt)
    this.outbox.push({ _tag: "Open", attempt })
    return attempt
  }

  private beginProbe(now: number): void {
    const probe = this.nextProbe
    if (probe !== undefined && probe.at <= now) probe.endpoint.probe = this.open(probe.endpoint, undefined, now)
  }

  private get nextProbe() {
    return this.creations.size > 0 || this.list.hasSessions ? this.probes.next() : undefined
  }

  private nextDue(now: number): number {
    let due = Math.min(this.moves.dueAt, this.nextProbe?.at ?? Infinity)
    for (const creation of this.creations) {
      if (creation.attempts.size >= this.policy.maxAttempts) continue
      if (creation.attempts.size > 0 && now < creation.nextAt) {
        due = Math.min(due, creation.nextAt)
        continue
      }
      const choice = choose(this.listed, creation, now, this.policy)
      if (choice._tag === "Wait") due = Math.min(due, choice.until)
    }
    for (const endpoint of this.list.known()) {
      for (const { openedAt } of endpoint.unproven()) due = Math.min(due, openedAt + aliveProof)
    }
    return due
  }

  private arm(at: number): void {
    if (at === this.armedAt) return
    this.armedAt = at
    this.outbox.push({ _tag: "WakeAt", at })
  }
}
