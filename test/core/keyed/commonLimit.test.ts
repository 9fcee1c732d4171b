import * as FastCheck from "fast-check"
import { assert, describe, it } from "vitest"
import { CommonLimit, type CommonPlace, KeyShare } from "../../../src/internal/core/keyed/commonLimit.js"
import { LimitModel, type ModelPlace } from "./limitModel.js"

/** `FC_SEED=… npx vitest run test/core/keyed/commonLimit.test.ts` repeats a run; `FC_RUNS=…` runs longer. */
const { FC_RUNS: runs = "4000", FC_SEED: seed } = process.env
const replay = seed === undefined ? {} : { seed: Number(seed) }

/** `at` chooses among the candidates; without candidates the step is skipped. */
interface Step {
  readonly op:
    | "ask"
    | "askSpare"
    | "withdraw"
    | "created"
    | "idle"
    | "spent"
    | "busy"
    | "leave"
    | "close"
    | "gone"
    | "claim"
  readonly at: number
}

interface Scenario {
  readonly maxTotal: number
  readonly createConcurrency: number
  readonly keys: number
  readonly steps: ReadonlyArray<Step>
}

const among = <const A>(...values: [A, ...Array<A>]): FastCheck.Arbitrary<A> => FastCheck.constantFrom(...values)

const step: FastCheck.Arbitrary<Step> = FastCheck.record({
  op: FastCheck.oneof(
    { weight: 8, arbitrary: among("ask") },
    { weight: 2, arbitrary: among("askSpare", "withdraw", "busy", "leave", "spent") },
    { weight: 6, arbitrary: among("created", "close", "gone", "claim", "idle") }
  ),
  at: FastCheck.nat({ max: 15 })
})

const scenario: FastCheck.Arbitrary<Scenario> = FastCheck.record({
  maxTotal: among(1, 2, 3, 4, 7, Infinity),
  createConcurrency: among(1, 2, 8),
  keys: among(1, 2, 3, 5, 8),
  steps: FastCheck.array(step, { maxLength: 120, size: "max" })
})

interface Pair {
  readonly place: CommonPlace<number>
  readonly model: ModelPlace
}

class Run {
  executed = 0
  private readonly limit: CommonLimit<number>
  private readonly model: LimitModel
  private readonly shares: ReadonlyArray<KeyShare<number>>
  private pairs: Array<Pair> = []
  private readonly maxTotal: number

  constructor({ createConcurrency, keys, maxTotal }: Scenario) {
    this.maxTotal = maxTotal
    this.limit = new CommonLimit(maxTotal, createConcurrency)
    this.model = new LimitModel(maxTotal, createConcurrency)
    this.shares = Array.from({ length: keys }, (_, key) => new KeyShare(this.limit, key))
    for (const _ of this.shares) this.model.waiting.push([])
  }

  take({ at, op }: Step): void {
    if (!this.carryOut(op, at)) return
    this.executed++
    if (op !== "claim") this.settle()
    this.compare()
  }

  private pick(at: number, holds: (model: ModelPlace) => boolean): Pair | undefined {
    const candidates = this.pairs.filter(({ model }) => holds(model))
    return candidates[at % candidates.length]
  }

  /** What a pool does with its places. */
  private carryOut(op: Step["op"], at: number): boolean {
    const { limit, model } = this
    switch (op) {
      case "ask":
      case "askSpare": {
        const key = at % this.shares.length
        const purpose = op === "ask" ? "borrower" : "spare"
        const place = this.shares[key]!.makePermit()
        this.pairs.push({ place, model: model.ask(key, purpose) })
        if (op === "ask") this.wait(key, (waiting) => waiting.push(this.shares[key]!.arrive()))
        limit.ask(place, purpose)
        return true
      }
      case "withdraw": {
        const pair = this.pick(at, ({ stage }) => stage === "asked")
        if (pair === undefined) return false
        model.end(pair.model)
        // the first borrower was served, or the last one left
        const { key, purpose } = pair.model
        if (purpose === "borrower") this.wait(key, (waiting) => at % 2 === 0 ? waiting.shift() : waiting.pop())
        limit.withdraw(pair.place)
        limit.withdraw(pair.place)
        return true
      }
      case "created": {
        const pair = this.pick(at, ({ isCreating }) => isCreating)
        if (pair === undefined) return false
        pair.model.isCreating = false
        limit.creationOver(pair.place)
        limit.creationOver(pair.place)
        return true
      }
      case "idle":
      case "spent": {
        // an item is idle only if no other borrower's item lacks a place
        const pair = this.pick(
          at,
          ({ idleTurn, isCreating, stage }) =>
            (op === "idle" ? stage === "held" : stage === "leaving") && !isCreating && idleTurn === undefined
        )
        if (pair === undefined) return false
        const { key } = pair.model
        if (op === "idle" && this.claims(key, undefined)) return true
        model.idle(pair.model, op === "spent")
        pair.place.list?.remove(pair.place)
        if (this.maxTotal === Infinity) pair.model.idleTurn = undefined
        if (op === "idle") pair.place.idle()
        else pair.place.spent()
        return true
      }
      case "busy": {
        const pair = this.pick(at, ({ idleTurn }) => idleTurn !== undefined)
        if (pair === undefined) return false
        pair.model.idleTurn = undefined
        pair.place.busy()
        pair.place.busy()
        return true
      }
      case "leave": {
        const pair = this.pick(at, ({ isCreating, stage }) => stage === "held" && !isCreating)
        if (pair === undefined) return false
        pair.model.idleTurn = undefined
        pair.model.stage = "leaving"
        pair.place.busy()
        pair.place.leaving()
        return true
      }
      case "close": {
        const pair = this.pick(at, ({ stage }) => stage === "held" || stage === "leaving")
        if (pair === undefined) return false
        this.beginClosing(pair)
        return true
      }
      case "gone": {
        const pair = this.pick(at, ({ stage }) => stage !== "asked" && stage !== "gone")
        if (pair === undefined) return false
        model.end(pair.model)
        pair.place.busy()
        limit.giveBack(pair.place)
        limit.giveBack(pair.place)
        return true
      }
      case "claim": {
        this.claims(at % this.shares.length, limit.arrivals - (at % 4))
        return true
      }
    }
  }

  /** Who waits at a key changes. */
  private wait(key: number, change: (waiting: Array<number>) => void): void {
    const waiting = this.model.waiting[key]!
    change(waiting)
    if (waiting.length > 0) this.shares[key]!.waits(waiting[0]!)
  }

  private beginClosing({ model, place }: Pair): void {
    model.idleTurn = undefined
    model.stage = "closing"
    place.busy()
    place.closing()
  }

  private claims(key: number, arrival: number | undefined): boolean {
    const claims = this.model.claims(key, arrival)
    assert.strictEqual(this.shares[key]!.claims(arrival), claims, "claims")
    return claims
  }

  /** Carries out what the limit says, as the shell does. */
  private settle(): void {
    for (;;) {
      const foretold = this.model.next()
      const command = this.limit.next()
      const pair = this.pairs.find(({ place }) => place === command?.place)
      const told = pair && `${command!._tag === "Evict" ? "evict" : "grant"} ${pair.model.id}`
      if (told !== foretold) assert.strictEqual(told, foretold)
      if (pair === undefined) return
      if (command!._tag === "Evict") this.beginClosing(pair)
      else if (pair.model.purpose === "borrower") this.wait(pair.model.key, (waiting) => waiting.shift())
    }
  }

  private compare(): void {
    const { limit, model } = this
    const same = (actual: number, expected: number, what: string) => {
      if (actual !== expected) assert.strictEqual(actual, expected, what)
    }
    same(limit.total, model.total, "total")
    same(limit.creating, model.creating, "creating")
    same(limit.asked, model.asks("borrower").length, "asked")
    same(limit.keys, model.keys, "keys")
    same(limit.share, model.share, "share")
    for (const { held, owner } of this.shares) same(held, model.heldBy(owner), "held")
    if (limit.total > this.maxTotal) assert.fail("more than maxTotal")
    this.pairs = this.pairs.filter(({ model }) => model.stage !== "gone")
  }

  /** Every place comes back, and nothing is left. */
  finish(): void {
    while (this.pairs.length > 0) {
      const [pair] = this.pairs
      if (!this.carryOut(pair!.model.stage === "asked" ? "withdraw" : "gone", 0)) break
      this.settle()
      this.compare()
    }
    const { limit } = this
    assert.deepStrictEqual([limit.total, limit.creating, limit.asked, limit.keys], [0, 0, 0, 0])
    assert.strictEqual(limit["queues"].size + limit["spareShares"].size + limit["spares"].size, 0)
    assert.strictEqual(limit["closings"], 0)
    assert.strictEqual(limit.idle.length + limit.spent.length, 0)
  }
}

describe("CommonLimit", () => {
  it(
    "does what a naive model does, in 100,000 generated steps and more",
    { timeout: 80 * Number(runs) },
    async () => {
      let executed = 0
      await FastCheck.assert(
        FastCheck.asyncProperty(scenario, async (scenario) => {
          const run = new Run(scenario)
          for (const step of scenario.steps) run.take(step)
          run.finish()
          executed += run.executed
          // the test runner's own messages must not wait until the end
          await new Promise<void>((resolve) => setImmediate(resolve))
        }),
        { numRuns: Number(runs), ...replay }
      )
      assert.isAtLeast(executed, Number(runs) >= 4000 ? 100_000 : 0)
    }
  )
})
