/** A pool of the fleet: the machine of `core/pool`, and a shell of events in place of fibers. */
import { SteadyTime, type Time } from "../../src/internal/core/clock.js"
import { type Check, Waiter } from "../../src/internal/core/pool/item.js"
import { PoolMachine } from "../../src/internal/core/pool/poolMachine.js"
import type { Happening } from "./agenda.js"
import type { Session } from "./backend.js"
import type { Data, Opener, OpeningPool, PoolCommand, PoolItem, World } from "./contract.js"
import { BalancedOpener, DirectOpener } from "./openers.js"

export class FleetPool implements OpeningPool {
  readonly machine: PoolMachine<Session, string, Data>
  readonly world: World
  readonly trip: number
  /** Of the borrowers by which the fairness between pools is judged. */
  offered = 0
  served = 0
  private readonly opener: Opener
  private readonly items = new Map<Session, PoolItem>()
  /** The borrowers that have a session: when they came. */
  private readonly lent = new Map<Session, number>()
  private readonly steady = new SteadyTime()
  private leapt = 0
  private readonly time = { monotonic: 0, wall: 0 }
  private tick: Happening | undefined = undefined

  constructor(world: World, trip: number) {
    this.world = world
    this.trip = trip
    this.machine = new PoolMachine<Session, string, Data>(world.policy.pool, this)
    this.opener = world.policy.balance === undefined
      ? new DirectOpener(this)
      : new BalancedOpener(this, world.policy.balance)
  }

  get now(): Time {
    const { time } = this
    time.monotonic = this.world.agenda.now
    time.wall = this.steady.pass(time.monotonic + this.leapt)
    return time
  }

  get waiting(): number {
    return this.machine.waiters.length
  }

  start(): void {
    this.machine.start(this.now)
  }

  /** The wall clock leaps. */
  leap(millis: number): void {
    this.leapt += millis
  }

  // --- borrowers

  borrow(): void {
    const asked = this.world.agenda.now
    this.world.ledger.came(this, asked)
    const item = this.machine.checkout(this.now)
    if (item !== undefined) return this.serve(item, asked)
    const waiter = new Waiter<Session, string, Data>()
    waiter.borrower = asked
    if (this.machine.enqueue(waiter, this.now) === "Queued") this.opener.demanded()
    else this.world.ledger.failed(asked, 0, "QueueFull")
  }

  private serve(item: PoolItem, asked: number): void {
    const { backend, ledger, work } = this.world
    const session = item.value
    ledger.lent(asked, this.world.agenda.now - asked)
    this.lent.set(session, asked)
    // a server that has died in this moment never answers; the pool is about to hear of it
    if (session.isOpen) backend.request(session, work(), () => this.answered(session, item, asked))
  }

  private answered(session: Session, item: PoolItem, asked: number): void {
    this.lent.delete(session)
    this.world.ledger.completed(this, asked)
    this.opener.proved(session)
    this.machine.release(item, this.now, "proven")
  }

  private settle({ borrower, item, refusal }: Waiter<Session, string, Data>): void {
    if (item !== undefined) return this.serve(item, borrower!)
    this.world.ledger.failed(borrower!, this.world.agenda.now - borrower!, refusal!._tag)
  }

  // --- what the opener tells

  opened(item: PoolItem, session: Session): void {
    item.running = undefined
    this.items.set(session, item)
    this.machine.created(item, session, 1, this.now, this.world.random())
    // its endpoint is judged by an early death, in place of the pool
    if (this.world.policy.balance !== undefined) this.machine.proven(item, this.now)
  }

  failedToOpen(item: PoolItem, failure: string): void {
    item.running = undefined
    this.machine.createFailed(item, failure, this.now, this.world.random())
    this.machine.gone(item, this.now)
  }

  retire(session: Session): void {
    const item = this.items.get(session)
    if (item !== undefined) this.machine.retire(item, this.now)
  }

  // --- what the backend tells

  lost(session: Session): void {
    const item = this.items.get(session)
    this.opener.ended(session, "Died")
    if (item !== undefined) this.machine.lost(item, this.now)
  }

  drained(session: Session): void {
    this.opener.ended(session, "Other")
    if (this.items.has(session)) this.retire(session)
    // a probe's
    else this.world.backend.close(session)
  }

  // --- commands

  perform(command: PoolCommand): void {
    const { agenda } = this.world
    switch (command._tag) {
      case "Wake":
        return this.settle(command.waiter)
      case "WakeAt":
        agenda.cancel(this.tick)
        this.tick = agenda.alarm(command.at, () => this.machine.tick(this.now, this.world.random()))
        return
      case "Rest":
        if (this.machine.disarm(this.now)) agenda.cancel(this.tick)
        return
      case "Create":
        return this.opener.open(command.item)
      case "CancelCreation":
        command.item.running?.()
        return this.machine.gone(command.item, this.now)
      case "Check":
        return this.check(command.check)
      case "CancelCheck":
      case "CheckTimedOut":
        return command.check.running?.()
      case "Destroy":
        return this.destroy(command.item, command.reason === "lost" ? "CheckFailed" : "Other")
    }
  }

  private check(check: Check<Session, Data>): void {
    const { agenda, backend } = this.world
    const session = check.item.value
    const answer = backend.ping(session, (isWell) => {
      if (isWell) this.opener.proved(session)
      this.machine.checked(check, isWell ? "passed" : "failed", this.now)
    })
    check.running = () => agenda.cancel(answer)
  }

  private destroy(item: PoolItem, how: "CheckFailed" | "Other"): void {
    const session = item.value
    this.opener.ended(session, how)
    this.items.delete(session)
    this.world.backend.close(session)
    const asked = this.lent.get(session)
    this.machine.gone(item, this.now)
    if (asked === undefined) return
    // the session ends under its borrower
    this.lent.delete(session)
    this.world.ledger.failed(asked, undefined, "Broken")
    this.machine.release(item, this.now, "kept")
  }
}
