/** The gate of a pool with the option `permit`. */
import type { PoolRuntime } from "#effect/poolRuntime"
import type { PermitSource } from "../../ResourcePoolOptions.js"
import type { PoolClock } from "../core/clock.js"
import { LinkedList } from "../core/linkedList.js"
import type { GateCommand } from "../core/pool/commands.js"
import type { FleetDemand } from "../core/pool/fleetDemand.js"
import { type Gate, Permit } from "../core/pool/item.js"
import { ValueIndex } from "../core/pool/valueIndex.js"
import type { GateWait, Whole } from "./contract.js"
import { PermitDesk, type PermitParts } from "./permitDesk.js"

/** A permit of one pool. */
class OwnPermit extends Permit {
  private readonly pool: PermitGate<any>
  private isLeaving = false

  constructor(pool: PermitGate<any>) {
    super()
    this.pool = pool
  }

  idle(): void {
    this.pool.idle.push(this)
  }

  spent(): void {
    this.pool.spent.push(this)
  }

  busy(): void {
    if (this.list !== undefined) this.list.remove(this)
  }

  leaving(): void {
    if (!this.isLeaving) this.pool.demand.left()
    this.isLeaving = true
  }

  closing(): void {
    this.leaving()
    this.pool.demand.closes(this)
  }
}

export interface PermitPool extends PermitParts {
  announceDemand(): void
}

export class PermitGate<A> implements Gate, Whole<A> {
  readonly byValue = new ValueIndex<A>()
  private readonly time: PoolClock
  readonly desk: PermitDesk<Permit>
  readonly demand: FleetDemand
  /** The idle items, longest idle first. */
  readonly idle = new LinkedList<Permit>()
  /** Items that were retired while idle. */
  readonly spent = new LinkedList<Permit>()
  private readonly pool: PermitPool
  private arrivals = 0

  constructor(
    permit: PermitSource<any, any>,
    runtime: PoolRuntime,
    time: PoolClock,
    pool: PermitPool
  ) {
    this.time = time
    this.pool = pool
    this.desk = new PermitDesk(permit, runtime, {
      partsOf: () => pool,
      granted: (permit) => pool.machine.granted(permit, time.read()) ? undefined : this.desk.giveBack(permit),
      demandChanged: () => this.demandChanged()
    })
    this.demand = this.desk.demand
  }

  get gateWait(): GateWait {
    return this.desk.wait
  }

  get gate(): this {
    return this
  }

  perform(command: GateCommand): void {
    const { permit } = command
    switch (command._tag) {
      case "AskPermit": {
        this.desk.ask(permit, command.purpose)
        // its replacement may need the permit that it has
        const spent = this.spent.first
        if (spent !== undefined) this.pool.machine.evict(spent.item!, this.time.read())
        return
      }
      case "WithdrawPermit":
        return this.desk.withdraw(permit)
      case "ReturnPermit":
        return this.desk.giveBack(permit)
    }
  }

  /** Idle items go at once; a pool of streams gives back what it does not use. */
  private demandChanged(): void {
    const { machine } = this.pool
    machine.demandChanged(this.time.read())
    while (this.demand.owed > 0) {
      const first = this.idle.first
      if (first === undefined || !machine.evict(first.item!, this.time.read())) break
    }
    this.pool.announceDemand()
  }

  makePermit(): Permit {
    return new OwnPermit(this)
  }

  arrive(): number {
    return ++this.arrivals
  }

  waits(): void {
    // the source of the permits has its own order
  }

  /** A borrower of this pool comes before the borrowers of others. */
  claims(arrival: number | undefined): boolean {
    return arrival === undefined && this.demand.owed > 0
  }

  lent(): void {
    // only its own items count
  }

  get hasSpare(): boolean {
    return this.demand.wanted === 0
  }

  unused(): void {
    // the pool is no part of another
  }

  closed(): void {
    // the pool is no part of another
  }
}
