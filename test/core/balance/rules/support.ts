/** A balance machine for tests of single rules. Its environment does nothing by itself. */
import { assert } from "vitest"
import { BalanceMachine } from "../../../../src/internal/core/balance/balanceMachine.js"
import type { BalanceCommand } from "../../../../src/internal/core/balance/commands.js"
import type {
  ConnectAttempt,
  Endpoint,
  EndpointEntry,
  EndpointSession,
  SessionCreation
} from "../../../../src/internal/core/balance/endpoint.js"
import type { BalancePolicy } from "../../../../src/internal/core/balance/policy.js"
import { entry, policy } from "../balanceModel.js"

export type Attempt = ConnectAttempt<EndpointEntry, string>
export type Session = EndpointSession<EndpointEntry, string>
type Command = BalanceCommand<EndpointEntry, string>

/** A machine under a clock of its own, and all that it has asked for. */
export class Pool {
  readonly machine: BalanceMachine<EndpointEntry, string>
  readonly commands: Array<Command> = []
  readonly demand = { waiting: 0 }
  armed = Infinity
  now = 1_000

  constructor(list: ReadonlyArray<EndpointEntry | string>, options: Partial<BalancePolicy> = {}) {
    this.machine = new BalanceMachine({ ...policy, ...options }, this.demand, (command) => {
      if (command._tag === "WakeAt") this.armed = command.at
      else this.commands.push(command)
    })
    this.list(list)
  }

  list(list: ReadonlyArray<EndpointEntry | string>): void {
    this.machine.setEndpoints(list.map((one) => typeof one === "string" ? entry(one) : one), this.now)
  }

  /** Of endpoints that had no turn yet, it takes the first, unless `chance` says otherwise. */
  create(chance = 0): SessionCreation<EndpointEntry, string> {
    return this.machine.create(this.now, chance)
  }

  /** Lets time pass; the machine wakes when it wants to. */
  pass(millis: number): void {
    const end = this.now + millis
    while (this.armed <= end) {
      this.now = Math.max(this.now, this.armed)
      this.armed = Infinity
      this.machine.tick(this.now)
    }
    this.now = end
  }

  /** The commands since the last call, in short. */
  taken(): ReadonlyArray<string> {
    return this.commands.splice(0).map((command) => {
      switch (command._tag) {
        case "Open":
        case "Cancel":
        case "Won":
          return `${command._tag} ${command.attempt.endpoint.entry.key}`
        case "Retire":
          return `Retire ${command.session.endpoint.entry.key}`
        case "Failed":
          return "Failed"
        case "Ejected":
          return `Ejected ${command.endpoint.entry.key} ${command.duration}`
        case "Troubled":
          return `Troubled ${command.endpoint.entry.key} ${command.why}`
        default:
          return `${command._tag} ${"endpoint" in command ? command.endpoint.entry.key : ""}`
      }
    })
  }

  endpoint(key: string): Endpoint<EndpointEntry, string> {
    return [...this.machine.list.known()].find((one) => one.entry.key === key)!
  }

  /** The oldest attempt under way at an endpoint. */
  attempt(key: string): Attempt {
    const [attempt] = this.endpoint(key).attempts
    assert.isDefined(attempt, `an attempt at ${key}`)
    return attempt!
  }

  opened(key: string): Session {
    const attempt = this.attempt(key)
    this.machine.opened(attempt, this.now)
    return attempt.session!
  }

  failed(key: string): void {
    this.machine.failed(this.attempt(key), `${key} failed`, this.now, 0.5)
  }

  /** A session in the pool. */
  session(chance = 0): Session {
    const creation = this.create(chance)
    for (const attempt of creation.attempts) this.machine.opened(attempt, this.now)
    assert.strictEqual(creation.state, "Won")
    return creation.winner!.session!
  }

  sessions(count: number): ReadonlyArray<Session> {
    return Array.from({ length: count }, () => this.session())
  }

  died(session: Session): void {
    this.machine.ended(session, "Died", undefined, this.now, 0.5)
  }

  proved(session: Session): void {
    this.machine.proved(session, this.now)
  }

  counts(): Record<string, number> {
    return Object.fromEntries([...this.machine.list.known()].map(({ entry, sessions }) => [entry.key, sessions.size]))
  }
}

/** `a` failed, `b` has a session, and the probe of `a` is under way. */
export const probing = (): Pool => {
  const pool = new Pool(["a", "b"])
  pool.create()
  pool.failed("a")
  pool.opened("b")
  pool.pass(10)
  return pool
}

/** No endpoint is well: a session of `a` died young, and `b` failed. A creation waits for its attempt at `a`. */
export const desperate = (): Pool => {
  const pool = new Pool(["a", "b"], { consecutiveFailures: 9 })
  const [session] = pool.sessions(2)
  pool.died(session!)
  pool.create()
  pool.failed("b")
  pool.pass(10)
  return pool
}
