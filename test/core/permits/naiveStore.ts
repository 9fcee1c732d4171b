/** What the script does in Redis, without Redis: everything is looked at in each step. */
import type { Answer, Report } from "../../../src/internal/core/permits/exchange.js"

interface Process {
  held: number
  asks: ReadonlyArray<number>
  endsAt: number
  turn: number
}

interface Ask {
  readonly process: string
  readonly id: number
  readonly since: number
}

export class NaiveStore {
  private processes = new Map<string, Process>()
  private queue: Array<Ask> = []
  private reserved: Array<Ask & { readonly endsAt: number }> = []
  private quietUntil = 0
  private told = 0
  private toldAt = -Infinity
  private readonly limit: number
  private readonly timeToLive: number
  /** Tells a process that a permit is reserved for it; without a name, all that others wait. */
  private readonly publish: (process?: string) => void

  constructor(limit: number, timeToLive: number, publish: (process?: string) => void) {
    this.limit = limit
    this.timeToLive = timeToLive
    this.publish = publish
  }

  /** It is restarted, and empty. */
  forget(now: number): void {
    this.processes = new Map()
    this.queue = []
    this.reserved = []
    this.quietUntil = now + this.timeToLive
  }

  sync(name: string, turn: number, { asks, held, spare }: Report, now: number): Answer | undefined {
    for (const [process, { endsAt }] of this.processes) if (endsAt <= now) this.remove(process)
    if (turn <= (this.processes.get(name)?.turn ?? 0)) return undefined
    const isOf = (ask: Ask) => ask.process === name
    this.queue = this.queue.filter((ask) => !isOf(ask) || asks.includes(ask.id))
    const granted = this.reserved.filter((ask) => isOf(ask) && asks.includes(ask.id)).map(({ id }) => id)
    this.reserved = this.reserved.filter((ask) => !isOf(ask))
    for (const id of asks) {
      if (!granted.includes(id) && !this.queue.some((ask) => isOf(ask) && ask.id === id)) {
        this.queue.push({ process: name, id, since: now })
      }
    }
    for (const late of this.reserved.filter(({ endsAt }) => endsAt <= now)) {
      this.reserved = this.reserved.filter((ask) => ask !== late)
      this.queue.push({ ...late, since: now })
    }
    this.processes.set(name, { held: held + granted.length, asks, endsAt: now + this.timeToLive, turn })
    const own = this.processes.get(name)!
    const total = () => this.reserved.length + [...this.processes.values()].reduce((sum, one) => sum + one.held, 0)
    const mayGrant = () => total() < this.limit && now >= this.quietUntil
    while (mayGrant() && this.queue.length > 0) {
      const ask = this.queue.shift()!
      if (isOf(ask)) {
        own.held++
        granted.push(ask.id)
      } else {
        this.reserved.push({ ...ask, endsAt: now + 1_000 })
        this.publish(ask.process)
      }
    }
    for (const id of spare) {
      if (!mayGrant()) break
      own.held++
      granted.push(id)
    }
    const waiting = asks.filter((id) => !granted.includes(id))
    own.asks = waiting
    if (own.held + waiting.length + spare.length === 0) this.remove(name)
    if (this.queue.length > this.told && now >= this.toldAt + 1_000) {
      this.publish()
      this.told = this.queue.length
      this.toldAt = now
    }
    this.told = Math.min(this.told, this.queue.length)
    const others = this.queue.filter((ask) => !isOf(ask)).length
    const taken = [...this.processes.values()].reduce((sum, one) => sum + one.held, 0)
    const isPressing = this.queue.some(({ since }) => now - since >= this.timeToLive / 3)
    const wanted = isPressing || own.held === 0 ? others : Math.ceil(others * own.held / taken)
    const share = Math.max(1, Math.floor(this.limit / Math.max(1, this.processes.size)))
    const above = (one: Process) => Math.max(0, one.held - share)
    const ends = Math.min(...[...this.processes.values()].map(({ endsAt }) => endsAt))
    const all = [...this.processes.values()].reduce((sum, one) => sum + above(one), 0)
    return {
      granted,
      wanted,
      share,
      yields: above(own) === 0 ? 0 : Math.ceil(others * above(own) / all),
      again: waiting.length === 0
        ? Infinity
        : now < this.quietUntil
        ? this.quietUntil - now
        : Math.max(1, Math.min(500, ends - now))
    }
  }

  private remove(name: string): void {
    this.processes.delete(name)
    this.queue = this.queue.filter(({ process }) => process !== name)
    this.reserved = this.reserved.filter(({ process }) => process !== name)
  }
}
