/** How a pool opens its sessions: to one address, or to several by the machine of `core/balance`. */
import { BalanceMachine } from "../../src/internal/core/balance/balanceMachine.js"
import type { BalanceCommand } from "../../src/internal/core/balance/commands.js"
import type {
  ConnectAttempt,
  EndpointEntry,
  SessionCreation,
  SessionEnd
} from "../../src/internal/core/balance/endpoint.js"
import type { BalancePolicy } from "../../src/internal/core/balance/policy.js"
import type { Happening } from "./agenda.js"
import type { Replica, Session } from "./backend.js"
import type { Opener, OpeningPool, PoolItem } from "./contract.js"

export class DirectOpener implements Opener {
  private readonly pool: OpeningPool

  constructor(pool: OpeningPool) {
    this.pool = pool
  }

  open(item: PoolItem): void {
    const { pool, pool: { world: { backend } } } = this
    const dial = backend.dial(
      "balancer",
      pool,
      (session) => pool.opened(item, session),
      (failure) => pool.failedToOpen(item, failure)
    )
    item.running = () => backend.cancel(dial)
  }

  demanded(): void {
    // the machine of the pool knows
  }

  proved(): void {
    // there is no other address
  }

  ended(): void {
    // there is no other address
  }
}

interface Address extends EndpointEntry {
  readonly replica: Replica
}

type Attempt = ConnectAttempt<Address, string>
type Creation = SessionCreation<Address, string>

export class BalancedOpener implements Opener {
  private readonly pool: OpeningPool
  private readonly machine: BalanceMachine<Address, string>
  private readonly items = new Map<Creation, PoolItem>()
  /** What cancels the attempts under way, and closes the sessions of those that are open. */
  private readonly cancels = new Map<Attempt, () => void>()
  private readonly sessions = new Map<Attempt, Session>()
  private readonly attempts = new Map<Session, Attempt>()
  private tick: Happening | undefined = undefined

  constructor(pool: OpeningPool, policy: BalancePolicy) {
    this.pool = pool
    const { agenda, backend } = pool.world
    const demand = {
      get waiting() {
        return pool.waiting
      }
    }
    this.machine = new BalanceMachine<Address, string>(policy, demand, (command) => this.perform(command))
    this.machine.setEndpoints(
      backend.replicas.map((replica, place) => ({ key: String(place), weight: 1, priority: 0, replica })),
      agenda.now
    )
  }

  private get now(): number {
    return this.pool.world.agenda.now
  }

  open(item: PoolItem): void {
    // the pool's machine must not be called back at once
    const { agenda } = this.pool.world
    const begin = agenda.after(0, () => {
      const creation = this.machine.create(this.now)
      const isOver = creation.state === "Won" || creation.state === "Failed"
      if (isOver) return this.end(creation, item)
      this.items.set(creation, item)
      item.running = () => {
        this.items.delete(creation)
        this.machine.abandon(creation, this.now)
      }
    })
    item.running = () => agenda.cancel(begin)
  }

  demanded(): void {
    this.machine.demandChanged(this.now)
  }

  proved(session: Session): void {
    const known = this.attempts.get(session)?.session
    if (known === undefined || (known.isProven && known.endpoint.failures === 0)) return
    this.machine.proved(known, this.now)
  }

  ended(session: Session, how: SessionEnd): void {
    const attempt = this.attempts.get(session)
    if (attempt === undefined) return
    this.forget(attempt)
    const failure = how === "Died" ? "died" : undefined
    this.machine.ended(attempt.session!, how, failure, this.now, this.pool.world.random())
  }

  private forget(attempt: Attempt): void {
    this.cancels.delete(attempt)
    this.attempts.delete(this.sessions.get(attempt)!)
    this.sessions.delete(attempt)
  }

  private perform(command: BalanceCommand<Address, string>): void {
    const { pool, pool: { world: { agenda } } } = this
    switch (command._tag) {
      case "Open":
        return this.dial(command.attempt)
      case "Cancel":
        this.cancels.get(command.attempt)?.()
        this.cancels.delete(command.attempt)
        return this.machine.closed(command.attempt, this.now)
      case "Won":
      case "Failed": {
        const item = this.items.get(command.creation)
        return item === undefined ? undefined : this.end(command.creation, item)
      }
      case "Retire": {
        const session = this.sessions.get(command.session.attempt)
        return session === undefined ? undefined : pool.retire(session)
      }
      case "WakeAt":
        agenda.cancel(this.tick)
        if (command.at !== Infinity) this.tick = agenda.alarm(command.at, () => this.machine.tick(this.now))
    }
  }

  private dial(attempt: Attempt): void {
    const { pool, pool: { world: { backend, random } } } = this
    const dial = backend.dial(
      attempt.endpoint.entry.replica,
      pool,
      (session) => {
        this.sessions.set(attempt, session)
        this.attempts.set(session, attempt)
        this.cancels.set(attempt, () => {
          this.forget(attempt)
          backend.close(session)
        })
        this.machine.opened(attempt, this.now)
      },
      (failure) => {
        this.cancels.delete(attempt)
        this.machine.failed(attempt, failure, this.now, random())
      }
    )
    this.cancels.set(attempt, () => backend.cancel(dial))
  }

  private end(creation: Creation, item: PoolItem): void {
    const { pool } = this
    this.items.delete(creation)
    if (creation.state === "Failed") return pool.failedToOpen(item, "every endpoint failed")
    pool.opened(item, this.sessions.get(creation.winner!)!)
  }
}
