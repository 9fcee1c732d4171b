/** Pools under common limits, by generated steps. `FC_SEED=…` repeats a run, `FC_RUNS=…` runs longer. */
import * as FastCheck from "fast-check"
import { assert, describe, it } from "vitest"
import { type Settings, World } from "./world.js"

const { FC_RUNS: runs = "1500", FC_SEED: seed } = process.env
const replay = seed === undefined ? {} : { seed: Number(seed) }

interface Step {
  readonly op:
    | "borrow"
    | "giveBack"
    | "discard"
    | "abandon"
    | "created"
    | "unmade"
    | "gone"
    | "lost"
    | "retire"
    | "renew"
    | "closeKey"
    | "tick"
    | "pass"
  readonly at: number
}

const among = <const A>(...values: [A, ...Array<A>]): FastCheck.Arbitrary<A> => FastCheck.constantFrom(...values)

const step: FastCheck.Arbitrary<Step> = FastCheck.record({
  op: FastCheck.oneof(
    { weight: 10, arbitrary: among("borrow") },
    { weight: 8, arbitrary: among("giveBack", "created", "gone") },
    { weight: 2, arbitrary: among("discard", "abandon", "unmade", "lost", "retire", "tick", "pass") },
    { weight: 1, arbitrary: among("renew") }
  ),
  at: FastCheck.nat({ max: 11 })
})

const settings: FastCheck.Arbitrary<Settings> = FastCheck.record({
  keys: among(1, 2, 3, 5),
  maxTotal: among(1, 2, 3, 5, Infinity),
  createConcurrency: among(1, 2, 8),
  instantly: FastCheck.boolean(),
  options: FastCheck.oneof(
    among({}),
    FastCheck.record({ minSize: among(0, 1, 2) }),
    FastCheck.record({ minIdle: among(1, 2) }),
    FastCheck.record({ maxSize: among(2, 5), minSize: among(0, 1) }),
    FastCheck.record({ acquireTimeout: among(5, 30), exhaustedThreshold: among(10) }),
    FastCheck.record({ maxUses: among(1, 2), overlap: FastCheck.boolean() }),
    FastCheck.record({ idleTimeToLive: among(5, 30), rideOut: among(() => 0, () => 60) }),
    FastCheck.record({ createTimeout: among(5, 20), closeTimeout: among(5, 20) })
  )
})

const take = (world: World, { at, op }: Step): boolean => {
  const pick = (count: number) => count === 0 ? undefined : at % count
  const within = (count: number, then: (at: number) => void) => {
    const chosen = pick(count)
    if (chosen !== undefined) then(chosen)
    return chosen !== undefined
  }
  switch (op) {
    case "borrow":
      return within(world.machines.length, (key) => world.borrow(key))
    case "giveBack":
      return within(world.leases.length, (at) => world.giveBack(at))
    case "discard":
      return within(world.leases.length, (at) => world.giveBack(at, "discarded"))
    case "abandon":
      return within(world.queue.length, (at) => world.abandon(at))
    case "created":
      return within(world.creations.length, (at) => world.created(at))
    case "unmade":
      return within(world.creations.length, (at) => world.unmade(at))
    case "gone":
      return within(world.closings.length, (at) => world.gone(at))
    case "lost":
      return within(world.live.length, (at) => world.lost(at))
    case "retire":
      return within(world.live.length, (at) => world.retire(at))
    case "renew":
      return within(world.machines.length, (key) => world.renew(key))
    case "closeKey":
      return within(world.machines.length, (key) => world.closeKey(key))
    case "tick":
      return within(world.nextAlarm === Infinity ? 0 : 1, () => world.tick())
    case "pass":
      return within(1, () => world.pass(1 + at))
  }
}

describe("pools under common limits", () => {
  it(
    "keep the limits, leave nothing idle while a borrower waits for a place, and serve all, in 30,000 steps and more",
    { timeout: 80 * Number(runs) },
    async () => {
      let executed = 0
      await FastCheck.assert(
        FastCheck.asyncProperty(
          settings,
          FastCheck.array(step, { maxLength: 90, size: "max" }),
          async (settings, steps) => {
            const world = new World(settings)
            for (const step of steps) {
              if (!take(world, step)) continue
              executed++
              world.judge()
            }
            world.finish()
            await new Promise<void>((resolve) => setImmediate(resolve))
          }
        ),
        { numRuns: Number(runs), ...replay }
      )
      assert.isAtLeast(executed, Number(runs) >= 1500 ? 30_000 : 0)
    }
  )

  it("starve no key, with more keys than places and borrowers that always wait", () => {
    for (const [keys, maxTotal, maxSize] of [[2, 1, 2], [5, 2, 2], [3, 3, 3], [3, 7, 7], [10, 4, 4]] as const) {
      const world = new World({ keys, maxTotal, createConcurrency: 8, instantly: true, options: { maxSize } })
      const served = Array.from({ length: keys }, () => 0)
      const wait = () => {
        for (let key = 0; key < keys; key++) {
          while (world.queue.filter((borrower) => borrower.key === key).length < 4) world.borrow(key)
        }
      }
      let closings = 0
      const rounds = 400
      for (let round = 0; round < rounds; round++) {
        wait()
        while (world.creations.length > 0) world.created(0)
        world.pass(1)
        const [lease] = world.leases
        served[lease!.key]!++
        const before = world.log.filter((entry) => entry.endsWith("Destroy")).length
        world.giveBack(0)
        closings += world.log.filter((entry) => entry.endsWith("Destroy")).length - before
        world.judge()
      }
      const least = Math.min(...served)
      assert.isAtLeast(least, rounds / keys / 2, `${keys} keys, maxTotal ${maxTotal}: ${served.join()}`)
      // with a place for each key, items are not closed and created in turns
      if (keys <= maxTotal) assert.isAtMost(closings, maxTotal)
    }
  })
})
