/** A naive model of a process' permits: after each step it looks at everything. */
import type { Time } from "../../../src/internal/core/clock.js"
import type { Answer } from "../../../src/internal/core/permits/exchange.js"
import type { HolderPolicy } from "../../../src/internal/core/permits/holder.js"

interface ModelPermit {
  readonly id: number
  readonly purpose: "borrower" | "spare"
  readonly askedAt: number
  isTold: boolean
  state: "Waiting" | "Held" | "Lost" | "Expired"
}

const later = (a: number, b: number) => a > b ? a : b

export class HolderModel {
  permits: Array<ModelPermit> = []
  readonly log: Array<string> = []
  private readonly policy: HolderPolicy
  private ids = 0
  private renewedAt: Time
  private sentAt: Time | undefined = undefined
  private asksSent = 0
  private backSinceSent = 0
  /** When an ask that the store knew was last withdrawn. */
  private uselessAt = -Infinity
  private isKnown = true
  private due = Infinity
  private isFailing = false
  private isEnded = false
  private wanted = 0
  private share = Infinity
  private yields = 0
  private yieldedAt = -Infinity
  private wantedSince: number | undefined = undefined

  constructor(policy: HolderPolicy, now: Time) {
    this.policy = policy
    this.renewedAt = { ...now }
  }

  get isSending(): boolean {
    return this.sentAt !== undefined
  }

  private age(now: Time): number {
    return later(now.monotonic - this.renewedAt.monotonic, now.wall - this.renewedAt.wall)
  }

  private lease(now: Time): "Valid" | "Lost" | "Expired" {
    if (this.age(now) >= this.policy.timeToLive - this.policy.closeTimeout) return "Expired"
    return this.age(now) >= this.policy.timeToLive * 2 / 3 ? "Lost" : "Valid"
  }

  standing(id: number, now: Time): string {
    const permit = this.permits.find((one) => one.id === id)
    if (permit === undefined || permit.state === "Expired" || this.lease(now) === "Expired") return "Expired"
    return permit.state === "Lost" || this.lease(now) === "Lost" ? "Lost" : "Valid"
  }

  ask(purpose: "borrower" | "spare", now: Time): void {
    this.permits.push({ id: ++this.ids, purpose, askedAt: now.monotonic, isTold: false, state: "Waiting" })
    this.settle(now)
  }

  giveBack(id: number, now: Time): void {
    const permit = this.permits.find((one) => one.id === id)
    if (permit === undefined) return
    this.permits = this.permits.filter((one) => one !== permit)
    if (permit.state !== "Waiting") {
      this.backSinceSent++
      this.uselessAt = -Infinity
      if (this.wanted > 0) this.log.push(`wanted ${--this.wanted}`)
    } else if (permit.isTold && permit.purpose === "borrower") this.uselessAt = now.monotonic
    if (permit.isTold || permit.state !== "Waiting") {
      this.isKnown = false
      this.due = now.monotonic
    }
    this.settle(now)
  }

  answered({ again, granted, share, wanted, yields }: Answer, now: Time): void {
    this.renewedAt = this.sentAt!
    this.sentAt = undefined
    this.isFailing = false
    if (this.asksSent > 0 && granted.length >= this.asksSent) this.uselessAt = -Infinity
    this.share = share
    this.yields = yields - this.backSinceSent
    this.due = Math.min(this.due, now.monotonic + again)
    for (const permit of this.permits) {
      if (permit.state !== "Waiting" || !granted.includes(permit.id)) continue
      permit.state = "Held"
      this.log.push(`granted ${permit.id}`)
    }
    const rest = Math.max(0, wanted - this.backSinceSent)
    if (rest > 0 || this.wanted > 0) this.log.push(`wanted ${rest}`)
    this.wanted = rest
    this.expire(now)
    this.yield(now)
    this.settle(now)
  }

  private yield(now: Time): void {
    const held = this.permits.filter(({ state }) => state === "Held")
    if (this.wanted === 0) this.wantedSince = undefined
    else this.wantedSince ??= now.monotonic
    const leave = this.permits.filter(({ state }) => state === "Lost" || state === "Expired").length
    if (this.wanted === 0 || held.length + leave === 0) return
    this.due = Math.min(this.due, now.monotonic + 1_000)
    if (held.length <= this.share) return
    if (now.monotonic - this.wantedSince! < 1_000) return
    const isStuck = leave >= this.yields
    if (isStuck && now.monotonic < this.yieldedAt + this.policy.timeToLive / 3) return
    this.yieldedAt = now.monotonic
    for (let count = isStuck ? 1 : this.yields - leave; count > 0 && held.length > this.share; count--) {
      const newest = held.pop()!
      newest.state = "Lost"
      this.log.push(`lost ${newest.id}`)
    }
  }

  failed(now: Time): void {
    this.sentAt = undefined
    this.isFailing = true
    this.isKnown = false
    this.uselessAt = -Infinity
    this.due = now.monotonic + this.policy.timeToLive / 9
    this.failAsks()
    this.expire(now)
    this.settle(now)
  }

  private failAsks(): void {
    for (const { id, state } of this.permits) if (state === "Waiting") this.log.push(`failed ${id}`)
    this.permits = this.permits.filter(({ state }) => state !== "Waiting")
  }

  called(now: Time): void {
    if (this.permits.length === 0 && this.isKnown) return
    this.due = now.monotonic
    this.settle(now)
  }

  othersWait(now: Time, chance: number): void {
    if (this.permits.every(({ state }) => state === "Waiting")) return
    this.due = Math.min(this.due, now.monotonic + chance * 1_000)
    this.settle(now)
  }

  tick(now: Time): void {
    this.expire(now)
    this.settle(now)
  }

  end(now: Time): void {
    const isSent = this.permits.length > 0 || !this.isKnown
    this.failAsks()
    for (const permit of this.permits) {
      if (permit.state !== "Expired") this.log.push(`expired ${permit.id}`)
      permit.state = "Expired"
    }
    if (isSent) this.send(now)
    this.isEnded = true
  }

  private expire(now: Time): void {
    for (const permit of this.permits) {
      if (permit.state === "Waiting" || permit.state === "Expired" || this.lease(now) === "Valid") continue
      if (this.lease(now) === "Lost" && permit.state === "Lost") continue
      permit.state = this.lease(now) as "Lost" | "Expired"
      this.log.push(`${permit.state.toLowerCase()} ${permit.id}`)
    }
    if (this.permits.length === 0 && this.age(now) >= this.policy.timeToLive) this.isKnown = true
  }

  private settle(now: Time): void {
    if (!this.isEnded && this.sendsAt(now) <= now.monotonic) this.send(now)
  }

  private send(now: Time): void {
    this.sentAt = { ...now }
    this.backSinceSent = 0
    this.isKnown = true
    this.due = Infinity
    const waiting = this.permits.filter((permit) => permit.state === "Waiting" && this.tellsAt(permit) <= now.monotonic)
    for (const permit of waiting) permit.isTold = true
    const asks = ["borrower", "spare"].flatMap((purpose) => waiting.filter((one) => one.purpose === purpose))
    const ids = asks.map(({ id, purpose }) => purpose === "spare" ? -id : id)
    this.asksSent = asks.filter(({ purpose }) => purpose === "borrower").length
    this.log.push(`send ${this.permits.filter(({ state }) => state !== "Waiting").length} [${ids.join()}]`)
  }

  private sendsAt(now: Time): number {
    if (this.sentAt !== undefined || (this.permits.length === 0 && this.isKnown)) return Infinity
    const renewal = now.monotonic - this.age(now) + this.policy.timeToLive / 3
    const asks = this.permits.filter(({ isTold, state }) => state === "Waiting" && !isTold)
    const due = Math.min(this.due, ...asks.map((ask) => this.tellsAt(ask)))
    return this.isFailing ? due : Math.min(due, renewal)
  }

  private tellsAt({ askedAt, isTold }: ModelPermit): number {
    const mayComeBack = this.permits.some(({ state }) => state === "Held")
    if (isTold || !mayComeBack || this.uselessAt + 1_000 < askedAt) return askedAt
    return Math.min(askedAt + 50, this.uselessAt + 1_000)
  }

  /** When something has to happen, if nothing comes from outside. */
  next(now: Time): number {
    if (this.isEnded) return Infinity
    const { closeTimeout, timeToLive } = this.policy
    const begin = now.monotonic - this.age(now)
    const ends = this.permits.map(({ state }) =>
      state === "Held" ? begin + timeToLive * 2 / 3 : state === "Lost" ? begin + timeToLive - closeTimeout : Infinity
    )
    return Math.min(this.sendsAt(now), ...ends)
  }
}
