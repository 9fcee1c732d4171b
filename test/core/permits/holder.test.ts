/** The permits of one process: single rules, and generated steps beside a naive model. */
import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { PoolClock } from "../../../src/internal/core/clock.js"
import type { Answer } from "../../../src/internal/core/permits/exchange.js"
import { type FleetPermit, type HolderCommand, PermitHolder } from "../../../src/internal/core/permits/holder.js"
import type { PermitPurpose } from "../../../src/internal/core/pool/item.js"
import { HolderModel } from "./holderModel.js"

const policy = { timeToLive: 30_000, closeTimeout: 5_000 }

/** A holder, its clocks, and what it said. */
const holding = () => {
  const now = { monotonic: 1_000, wall: 5_000_000 }
  const log: Array<string> = []
  const permits: Array<FleetPermit> = []
  let wakeAt = Infinity
  const show = (command: HolderCommand<string>): string => {
    switch (command._tag) {
      case "Send":
        return `send ${command.report.held} [${
          [...command.report.asks, ...command.report.spare.map((id) => -id)].join()
        }]`
      case "Wanted":
        return `wanted ${command.count}`
      case "WakeAt":
        return `wake ${command.at}`
      default:
        return `${command._tag.toLowerCase()} ${command.permit.id}`
    }
  }
  const holder = new PermitHolder<string>(policy, (command) => {
    if (command._tag === "WakeAt") wakeAt = command.at
    else log.push(show(command))
  }, now)
  const said = () => log.splice(0)
  const answer = (answer: Partial<Answer> = {}) =>
    holder.answered({ granted: [], wanted: 0, share: Infinity, yields: 0, again: Infinity, ...answer }, now)
  return {
    now,
    holder,
    permits,
    said,
    answer,
    get wakeAt() {
      return wakeAt
    },
    ask: (purpose: PermitPurpose = "borrower") => holder.ask(purpose, now, (permit) => permits.push(permit)),
    /** Both clocks go on, and the shell wakes the holder when it said so. */
    pass: (millis: number) => {
      const end = now.monotonic + millis
      const pass = (by: number) => {
        now.monotonic += by
        now.wall += by
      }
      while (wakeAt <= end) {
        pass(Math.max(0, wakeAt - now.monotonic))
        wakeAt = Infinity
        holder.tick(now)
      }
      pass(end - now.monotonic)
    },
    /** The process has `count` permits, renewed now. */
    hold: (count: number) => {
      const asked = Array.from({ length: count }, () => holder.ask("borrower", now, (permit) => permits.push(permit)))
      answer()
      if (count === 1) holder.called(now)
      answer({ granted: asked.map(({ id }) => id) })
      said()
      return asked
    }
  }
}

describe("the permits of a process", () => {
  it("go to the store as one state; what changes while a command is under way goes with the next", () => {
    const { answer, ask, holder, now, said } = holding()
    const first = ask()
    ask()
    ask()
    holder.giveBack(first, now)
    assert.deepStrictEqual(said(), ["send 0 [1]"])
    answer()
    assert.deepStrictEqual(said(), ["send 0 [2,3]"])
    answer({ granted: [3] })
    assert.deepStrictEqual(said(), ["granted 3"])
  })

  it("are granted by an answer only, and not to an ask that was withdrawn", () => {
    const { answer, ask, holder, now, said } = holding()
    const permit = ask()
    assert.strictEqual(permit.state, "Waiting")
    holder.giveBack(permit, now)
    answer({ granted: [1] })
    // the store hears that nobody has it
    assert.deepStrictEqual(said(), ["send 0 [1]", "send 0 []"])
    answer()
    assert.deepStrictEqual(said(), [])
  })

  it("are renewed every third of timeToLive, with one command, and at rest nothing else is sent", () => {
    const { answer, hold, pass, said } = holding()
    hold(3)
    pass(9_999)
    assert.deepStrictEqual(said(), [])
    pass(1)
    assert.deepStrictEqual(said(), ["send 3 []"])
    answer()
    pass(10_000)
    assert.deepStrictEqual(said(), ["send 3 []"])
  })

  it("without a renewal take no new borrower after two thirds, and are over closeTimeout before the end", () => {
    const { hold, holder, now, pass, said } = holding()
    const [one] = hold(2)
    pass(19_999)
    assert.deepStrictEqual(said(), ["send 2 []"])
    assert.strictEqual(holder.standing(one!, now), "Valid")
    pass(1)
    assert.deepStrictEqual(said(), ["lost 1", "lost 2"])
    assert.strictEqual(holder.standing(one!, now), "Lost")
    pass(4_999)
    assert.deepStrictEqual(said(), [])
    pass(1)
    assert.deepStrictEqual(said(), ["expired 1", "expired 2"])
    assert.strictEqual(holder.standing(one!, now), "Expired")
    // until its item is closed
    assert.strictEqual(holder.held, 2)
  })

  it("last from before the renewal was sent, however late the answer is", () => {
    const { answer, hold, pass, said } = holding()
    hold(1)
    pass(10_000)
    pass(4_000)
    answer()
    assert.deepStrictEqual(said(), ["send 1 []"])
    pass(5_999)
    assert.deepStrictEqual(said(), [])
    pass(1)
    assert.deepStrictEqual(said(), ["send 1 []"])
    pass(10_000)
    assert.deepStrictEqual(said(), ["lost 1"])
  })

  it("do not come back to life: a renewal after two thirds lets the item live, without new borrowers", () => {
    const { answer, hold, holder, now, pass, said } = holding()
    const [permit] = hold(1)
    pass(20_000)
    answer()
    assert.deepStrictEqual(said(), ["send 1 []", "lost 1", "send 1 []"])
    answer()
    assert.strictEqual(holder.standing(permit!, now), "Lost")
    pass(10_000)
    answer()
    pass(10_000)
    assert.deepStrictEqual(said(), ["send 1 []", "send 1 []"])
  })

  it("tell at once that they are over, before any timer, by the clock that went further", () => {
    for (const clock of ["monotonic", "wall"] as const) {
      const { hold, holder, now } = holding()
      const [permit] = hold(1)
      now[clock] += 19_999
      assert.strictEqual(holder.standing(permit!, now), "Valid")
      now[clock] += 1
      assert.strictEqual(holder.standing(permit!, now), "Lost")
      now[clock] += 5_000
      assert.strictEqual(holder.standing(permit!, now), "Expired")
      // the question changes nothing
      assert.strictEqual(permit!.state, "Held")
    }
  })

  it("count time by a clock that its reader changes in place", () => {
    let millis = 0
    const clock = new PoolClock({
      unsafeCurrentTimeMillis: () => millis,
      unsafeCurrentTimeNanos: () => BigInt(millis * 1e6)
    })
    const sent: Array<string> = []
    const holder = new PermitHolder<string>(policy, ({ _tag }) => sent.push(_tag), clock.read())
    const permit = holder.ask("borrower", clock.read(), () => {})
    millis += 1_000
    holder.answered({ granted: [1], wanted: 0, share: 1, yields: 0, again: Infinity }, clock.read())
    millis += 19_000
    assert.strictEqual(holder.standing(permit, clock.read()), "Lost")
  })

  it("look at no clock twice in a millisecond of the wall clock, and again after each of its steps, back included", () => {
    const time = { wall: 1_000_000, monotonic: 500 }
    const reads = { wall: 0, monotonic: 0 }
    const source = {
      unsafeCurrentTimeMillis: () => {
        reads.wall++
        return time.wall
      },
      unsafeCurrentTimeNanos: () => {
        reads.monotonic++
        return BigInt(time.monotonic * 1e6)
      }
    }
    const clock = new PoolClock(source)
    const pool = new PoolClock(source)
    const holder = new PermitHolder<string>(policy, () => {}, clock.read())
    const permit = holder.ask("borrower", clock.read(), () => {})
    holder.answered({ granted: [1], wanted: 0, share: 1, yields: 0, again: Infinity }, clock.read())
    const standing = () => holder.standing(permit, clock.read(), pool.read().instant)
    Object.assign(reads, { wall: 0, monotonic: 0 })
    for (let i = 0; i < 100; i++) assert.strictEqual(standing(), "Valid")
    assert.deepStrictEqual(reads, { wall: 101, monotonic: 1 })
    time.wall++
    time.monotonic++
    for (let i = 0; i < 100; i++) assert.strictEqual(standing(), "Valid")
    assert.deepStrictEqual(reads, { wall: 202, monotonic: 2 })
    // the process stood still for 20 s, and its wall clock was put back by more than that
    time.monotonic += 20_000
    time.wall -= 1_000
    assert.strictEqual(standing(), "Lost")
    time.monotonic += 5_000
    assert.strictEqual(standing(), "Expired")
  })

  it("tell a change of their state within the same millisecond", () => {
    const { hold, holder, now } = holding()
    const [one, two, three] = hold(3)
    for (const permit of [one!, two!, three!]) assert.strictEqual(holder.standing(permit, now, now.wall), "Valid")
    holder.giveBack(one!, now)
    assert.strictEqual(holder.standing(one!, now, now.wall), "Expired")
    two!.state = "Lost"
    assert.strictEqual(holder.standing(two!, now, now.wall), "Lost")
    holder.end("closed", now)
    assert.strictEqual(holder.standing(three!, now, now.wall), "Expired")
  })

  it("ask again when the store is late, and their asks fail; the lease runs on", () => {
    const { ask, hold, holder, now, pass, said } = holding()
    hold(1)
    ask()
    holder.failed("no answer", now)
    assert.deepStrictEqual(said(), ["send 1 [2]", "failed 2"])
    pass(3_333)
    assert.deepStrictEqual(said(), [])
    pass(1)
    assert.deepStrictEqual(said(), ["send 1 []"])
    holder.failed("no answer", now)
    // the store can be reached again
    holder.called(now)
    assert.deepStrictEqual(said(), ["send 1 []"])
  })

  it("hear of others at a moment that chance chooses, if the process has any", () => {
    const { answer, ask, hold, holder, now, pass, said } = holding()
    ask()
    answer()
    said()
    holder.othersWait(now, 0)
    assert.deepStrictEqual(said(), [])
    hold(1)
    holder.othersWait(now, 0.5)
    pass(499)
    assert.deepStrictEqual(said(), [])
    pass(1)
    assert.lengthOf(said(), 1)
    answer({ wanted: 2 })
    assert.deepStrictEqual(said(), ["wanted 2"])
    holder.called(now)
    answer({ wanted: 0 })
    holder.called(now)
    answer({ wanted: 0 })
    assert.deepStrictEqual(said().filter((line) => line.startsWith("wanted")), ["wanted 0"])
  })

  it("that came back while the store answered count as given", () => {
    const { answer, hold, holder, now, said } = holding()
    const [one, two] = hold(3)
    holder.called(now)
    holder.giveBack(one!, now)
    answer({ wanted: 2 })
    assert.deepStrictEqual(said(), ["send 3 []", "wanted 1", "send 2 []"])
    holder.giveBack(two!, now)
    assert.deepStrictEqual(said(), ["wanted 0"])
  })

  it("above the share go, the newest first, as many as others need, once what is idle went back", () => {
    const { answer, hold, holder, now, pass, said } = holding()
    const [, , , four, five] = hold(5)
    const lost = () => said().filter((line) => line.startsWith("lost"))
    holder.called(now)
    answer({ wanted: 3, share: 2, yields: 2 })
    assert.deepStrictEqual(lost(), [])
    pass(1_000)
    answer({ wanted: 3, share: 2, yields: 2 })
    assert.deepStrictEqual(lost(), ["lost 5", "lost 4"])
    // these are on their way
    holder.called(now)
    answer({ wanted: 3, share: 2, yields: 2 })
    assert.deepStrictEqual(lost(), [])
    holder.giveBack(five!, now)
    answer({ wanted: 2, share: 2, yields: 1 })
    assert.deepStrictEqual(lost(), [])
    holder.giveBack(four!, now)
    answer({ wanted: 1, share: 2, yields: 1 })
    assert.deepStrictEqual(lost(), ["lost 3"])
  })

  it("above the share: one that came back while the store answered counts", () => {
    const { answer, hold, holder, now, pass, said } = holding()
    const [one] = hold(4)
    holder.called(now)
    answer({ wanted: 2, share: 1, yields: 2 })
    pass(1_000)
    said()
    holder.giveBack(one!, now)
    answer({ wanted: 2, share: 1, yields: 2 })
    assert.deepStrictEqual(said().filter((line) => line.startsWith("lost")), ["lost 4"])
  })

  it("above the share: when borrowers keep those that were given up, one more goes each third of timeToLive", () => {
    const { answer, hold, holder, now, pass, said } = holding()
    hold(4)
    const lost = () => said().filter((line) => line.startsWith("lost"))
    const still = { wanted: 1, share: 2, yields: 1 }
    holder.called(now)
    answer(still)
    pass(1_000)
    answer(still)
    assert.deepStrictEqual(lost(), ["lost 4"])
    pass(9_000)
    answer(still)
    assert.deepStrictEqual(lost(), [])
    pass(1_000)
    answer(still)
    assert.deepStrictEqual(lost(), ["lost 3"])
    // not below its share
    pass(10_000)
    answer(still)
    assert.deepStrictEqual(lost(), [])
  })

  it("are asked for at once; after an ask that was of no use, a moment later, or never if the borrower is served by then", () => {
    const { answer, ask, hold, holder, now, pass, said } = holding()
    hold(1)
    const useless = ask()
    answer()
    holder.giveBack(useless, now)
    answer()
    assert.deepStrictEqual(said(), ["send 1 [2]", "send 1 []"])
    for (let i = 0; i < 10; i++) {
      const short = ask()
      pass(49)
      holder.giveBack(short, now)
    }
    assert.deepStrictEqual(said(), [])
    ask()
    pass(20)
    ask()
    pass(29)
    assert.deepStrictEqual(said(), [])
    pass(1)
    // the later one goes after its own moment
    assert.deepStrictEqual(said(), ["send 1 [13]"])
    answer()
    pass(20)
    assert.deepStrictEqual(said(), ["send 1 [13,14]"])
  })

  it("are asked for at once again a second after the ask that was of no use, and by a process that has no items", () => {
    const { answer, ask, hold, holder, now, pass, said } = holding()
    const [own] = hold(1)
    const askInVain = () => {
      const useless = ask()
      answer()
      holder.giveBack(useless, now)
      answer()
      said()
    }
    askInVain()
    pass(980)
    ask()
    assert.deepStrictEqual(said(), [])
    pass(20)
    assert.deepStrictEqual(said(), ["send 1 [3]"])
    answer()
    askInVain()
    ask()
    assert.deepStrictEqual(said(), [])
    // those that wait go with the news of a permit that comes back
    holder.giveBack(own!, now)
    assert.deepStrictEqual(said(), ["send 0 [3,5]"])
  })

  it("are asked for at once again when the store grants all that is asked, or is away", () => {
    for (const grants of [true, false]) {
      const { answer, ask, hold, holder, now, pass, said } = holding()
      hold(1)
      const useless = ask()
      answer()
      holder.giveBack(useless, now)
      answer()
      ask()
      pass(50)
      said()
      if (grants) answer({ granted: [3] })
      else holder.failed("away", now)
      ask()
      assert.deepStrictEqual(said(), grants ? ["granted 3", "send 2 [4]"] : ["failed 3", "send 1 [4]"])
    }
  })

  it("that are asked for and not wanted any more while a command is under way cost none", () => {
    const { answer, ask, hold, holder, now, said } = holding()
    hold(1)
    holder.called(now)
    holder.giveBack(ask(), now)
    answer()
    assert.deepStrictEqual(said(), ["send 1 []"])
  })

  it("that nobody has any more are told to the store until it has forgotten them by itself", () => {
    const { hold, holder, now, pass, said } = holding()
    const [permit] = hold(1)
    pass(1_000)
    holder.giveBack(permit!, now)
    for (let i = 0; i < 20; i++) {
      holder.failed("away", now)
      pass(5_000)
    }
    const tries = said().filter((line) => line === "send 0 []").length
    assert.isAtLeast(tries, 5)
    assert.isAtMost(tries, 9)
  })

  it("are over when the holder ends", () => {
    const { ask, hold, holder, now, pass, said } = holding()
    const [permit] = hold(1)
    ask()
    said()
    holder.end("closed", now)
    assert.deepStrictEqual(said(), ["failed 2", "expired 1", "send 1 []"])
    holder.giveBack(permit!, now)
    pass(100_000)
    assert.deepStrictEqual(said(), [])
  })
})

// --- generated steps

type Step =
  | readonly ["ask", purpose: PermitPurpose]
  | readonly ["fail" | "call" | "end"]
  | readonly ["pass", millis: number]
  | readonly ["leap", clock: "monotonic" | "wall", millis: number]
  | readonly ["back", nth: number]
  | readonly [
    "answer",
    granted: ReadonlyArray<number>,
    wanted: number,
    share: number,
    yields: number,
    again: number
  ]
  | readonly ["others", chance: number]

const millis = FastCheck.oneof(
  FastCheck.constantFrom(1, 20, 50, 500, 950, 1_000, 3_334, 5_000, 9_999, 10_000, 20_000, 25_000),
  FastCheck.nat(3_000)
)
const nth = FastCheck.nat(5)

const step: FastCheck.Arbitrary<Step> = FastCheck.oneof(
  { weight: 4, arbitrary: FastCheck.constantFrom<Step>(["ask", "borrower"], ["ask", "spare"]) },
  { weight: 6, arbitrary: FastCheck.tuple(FastCheck.constant("pass" as const), millis) },
  {
    weight: 1,
    arbitrary: FastCheck.tuple(
      FastCheck.constant("leap" as const),
      FastCheck.constantFrom("monotonic" as const, "wall" as const),
      millis
    )
  },
  { weight: 3, arbitrary: FastCheck.tuple(FastCheck.constant("back" as const), nth) },
  {
    weight: 8,
    arbitrary: FastCheck.tuple(
      FastCheck.constant("answer" as const),
      FastCheck.array(nth, { maxLength: 4 }),
      FastCheck.nat(3),
      FastCheck.integer({ min: 1, max: 4 }),
      FastCheck.nat(3),
      FastCheck.constantFrom(500, 30_000, Infinity)
    )
  },
  { weight: 2, arbitrary: FastCheck.constant<Step>(["fail"]) },
  { weight: 2, arbitrary: FastCheck.constant<Step>(["call"]) },
  {
    weight: 2,
    arbitrary: FastCheck.tuple(FastCheck.constant("others" as const), FastCheck.constantFrom(0, 0.25, 0.99))
  }
)

describe("generated steps of a process", () => {
  it("end as in the naive model, and the holder wakes no later than something is due", () => {
    const steps = FastCheck.tuple(FastCheck.array(step, { maxLength: 60 }), FastCheck.boolean())
    FastCheck.assert(
      FastCheck.property(steps, ([steps, ends]) => {
        const real = holding()
        const { holder, now, permits, said } = real
        const model = new HolderModel(policy, now)
        const compare = (step: Step) => {
          const what = JSON.stringify(step)
          assert.deepStrictEqual(said(), model.log.splice(0), what)
          assert.isAtMost(real.wakeAt, model.next(now), what)
          assert.strictEqual(holder.held + holder.waiting, model.permits.length, what)
          for (const permit of permits) {
            if (permit.state === "Waiting") continue
            assert.strictEqual(holder.standing(permit, now), model.standing(permit.id, now), what)
          }
        }
        const tick = () => {
          holder.tick(now)
          model.tick(now)
        }
        for (const step of ends ? [...steps, ["end"] as const] : steps) {
          switch (step[0]) {
            case "ask":
              real.ask(step[1])
              model.ask(step[1], now)
              break
            case "back": {
              const permit = permits[permits.length - 1 - step[1]]
              if (permit === undefined) break
              holder.giveBack(permit, now)
              model.giveBack(permit.id, now)
              break
            }
            case "answer": {
              if (!model.isSending) break
              const [, granted, wanted, share, yields, again] = step
              const answer = { granted: granted.map((nth) => permits.length - nth), wanted, share, yields, again }
              holder.answered(answer, now)
              model.answered(answer, now)
              break
            }
            case "fail":
              if (!model.isSending) break
              holder.failed("away", now)
              model.failed(now)
              break
            case "call":
              holder.called(now)
              model.called(now)
              break
            case "others":
              holder.othersWait(now, step[1])
              model.othersWait(now, step[1])
              break
            case "leap":
              now[step[1]] += step[2]
              tick()
              break
            case "end":
              holder.end("closed", now)
              model.end(now)
              break
            case "pass":
              now.monotonic += step[1]
              now.wall += step[1]
              tick()
          }
          compare(step)
        }
      }),
      { numRuns: 500 }
    )
  })
})
