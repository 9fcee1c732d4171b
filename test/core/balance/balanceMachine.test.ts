import * as FastCheck from "fast-check"
import { assert, describe, it } from "vitest"
import type { EndpointEntry } from "../../../src/internal/core/balance/endpoint.js"
import type { BalancePolicy } from "../../../src/internal/core/balance/policy.js"
import { ensure, entry, policy, World } from "./balanceModel.js"

/**
 * Every run has its own seed, and a failure prints it: `FC_SEED=… npx vitest run test/core/balance` repeats that run, with
 * `FC_PATH=…` only its shortest form. `FC_RUNS=…` runs longer, `EXPLORE_STATES=…` explores more or fewer states of each
 * configuration.
 */
const { EXPLORE_STATES, FC_PATH: path, FC_RUNS: runs = "2200", FC_SEED: seed } = process.env
const states = Number(EXPLORE_STATES ?? 1_500)
const replay = seed === undefined ? {} : { seed: Number(seed) }

interface Move {
  readonly name: string
  readonly run: () => void
}

type Limits = Readonly<Record<string, number>>

const lists: ReadonlyArray<(all: ReadonlyArray<EndpointEntry>) => ReadonlyArray<EndpointEntry>> = [
  (all) => all,
  (all) => all.slice(0, Math.max(1, all.length - 1)),
  (all) => all.slice(Math.min(1, all.length - 1)),
  (all) => [...all].reverse(),
  (all) => [...all, entry("z", 2, 1)],
  (all) => all.map((one) => ({ ...one, weight: one.weight + 1, priority: 0 }))
]

/** All events that may happen in this state. `limits`: how often rare events may happen in total. */
const movesOf = (
  world: World,
  all: ReadonlyArray<EndpointEntry>,
  happened: ReadonlyMap<string, number>,
  limits: Limits
): Array<Move> => {
  const moves: Array<Move> = []
  const may = (name: string, run: () => void, kind = name) => {
    if ((happened.get(kind) ?? 0) < (limits[kind] ?? Infinity)) moves.push({ name: `${name}`, run })
  }
  if (world.isClosed) return moves
  may("create", () => world.create(0))
  may("create:0.9", () => world.create(0.9), "create")
  for (const creation of world.creations) {
    if (creation.state !== "Over") may(`abandon:${creation.id}`, () => world.abandon(creation), "abandon")
  }
  for (const attempt of world.attempts) {
    if (attempt.state === "Opening") {
      may(`opened:${attempt.id}`, () => world.opened(attempt), "opened")
      may(`failed:${attempt.id}`, () => world.failed(attempt), "failed")
    }
    if (attempt.state === "Closing") may(`closed:${attempt.id}`, () => world.closed(attempt), "closed")
    if (attempt.state === "Held" && attempt.creation === undefined) {
      may(`probeDied:${attempt.id}`, () => world.ended(attempt.session!, "Died"), "died")
    }
  }
  for (const session of world.sessions) {
    if (!session.isLent) continue
    may(`proved:${session.id}`, () => world.proved(session), "proved")
    may(`died:${session.id}`, () => world.ended(session, "Died"), "died")
    may(`suspect:${session.id}`, () => world.ended(session, "Suspect"), "suspect")
    may(`checkFailed:${session.id}`, () => world.ended(session, "CheckFailed"), "suspect")
    may(`left:${session.id}`, () => world.ended(session, "Other"), "left")
  }
  lists.forEach((change, index) => may(`list:${index}`, () => world.list(change(all)), "list"))
  may("waiting", () => {
    world.demand.waiting = 1 - world.demand.waiting
    world.machine.demandChanged(world.now)
  })
  if (world.armed < Infinity) may("wake", () => world.wake())
  for (const millis of [7, 300, 40_000]) {
    may(`advance:${millis}`, () => {
      // a tick may be late
      world.advance(millis)
      world.armed = Math.min(world.armed, world.now)
      world.wake()
    }, "advance")
  }
  may("close", () => world.close())
  return moves
}

const kindOf = (name: string): string => {
  const kind = name.replace(/:.*$/, "")
  return kind === "probeDied" ? "died" : kind === "checkFailed" ? "suspect" : kind
}

/** Names the events and the commands that led to the failure. */
const failureOf = (cause: unknown, trace: ReadonlyArray<string>, { log }: World): Error =>
  new Error(`${(cause as Error).message}, after ${trace.join(" ")}; commands: ${log.join(" ")}`, { cause })

const commands = ["Open", "Cancel", "Won", "Failed", "Retire", "Ejected", "Troubled", "Back", "WakeAt"]

const endpoints = FastCheck.array(
  FastCheck.tuple(FastCheck.constantFrom(1, 1, 1, 2, 3), FastCheck.constantFrom(0, 0, 0, 1)),
  { minLength: 1, maxLength: 4 }
).map((all) => all.map(([weight, priority], index) => entry("abcd"[index]!, weight, priority)))

const scenario = FastCheck.record({
  list: endpoints,
  balance: FastCheck.constantFrom<BalancePolicy["balance"]>("even", "even", "ordered"),
  consecutiveFailures: FastCheck.constantFrom(1, 2, 3),
  failbackAfter: FastCheck.constantFrom(30_000, 1_000),
  maxAttempts: FastCheck.constant(2 as const),
  maxEjectionTime: FastCheck.constantFrom(100_000, 10_000),
  picks: FastCheck.array(FastCheck.nat({ max: 100_000 }), { minLength: 10, maxLength: 90, size: "max" })
})

describe("a balance machine", () => {
  it("keeps its rules in every sequence of events, and every endpoint comes back", { timeout: 600_000 }, () => {
    let steps = 0
    const seen = new Set<string>()
    const property = FastCheck.property(scenario, ({ list, picks, ...options }) => {
      const world = new World({ ...policy, ...options }, list)
      const happened = new Map<string, number>()
      const trace: Array<string> = []
      try {
        world.judge()
        for (const pick of picks) {
          const moves = movesOf(world, list, happened, { close: 0, abandon: 4, list: 4, left: 4, waiting: 4 })
          const move = moves[pick % moves.length]!
          happened.set(kindOf(move.name), (happened.get(kindOf(move.name)) ?? 0) + 1)
          trace.push(move.name)
          move.run()
          world.judge()
          steps++
        }
        world.beKind()
        world.close()
      } catch (cause) {
        throw failureOf(cause, trace, world)
      }
      for (const command of world.seen) seen.add(command)
    })
    FastCheck.assert(property, { numRuns: Number(runs), ...replay, ...(path === undefined ? {} : { path }) })
    if (path !== undefined || Number(runs) < 1_000) return
    for (const command of commands) ensure(seen.has(command), `no run brought ${command} about`)
    // 100,000 in 2,200 runs
    assert.isAtLeast(steps, Number(runs) * 46)
  })

  // All events in small configurations, in any order.
  const configurations: ReadonlyArray<readonly [string, ReadonlyArray<EndpointEntry>, Partial<BalancePolicy>, Limits]> =
    [
      ["two endpoints, two creations", [entry("a"), entry("b")], { consecutiveFailures: 1 }, {}],
      ["two priorities", [entry("a"), entry("b", 1, 1)], { consecutiveFailures: 1 }, { abandon: 0, advance: 2 }],
      ["in order", [entry("a"), entry("b")], { balance: "ordered" }, { suspect: 0 }],
      ["a list that changes", [entry("a"), entry("b")], { consecutiveFailures: 1 }, { list: 2, abandon: 0, wake: 1 }]
    ]
  const usual: Limits = {
    create: 2,
    abandon: 1,
    opened: 3,
    failed: 2,
    closed: 2,
    proved: 1,
    died: 1,
    suspect: 1,
    left: 0,
    list: 0,
    waiting: 0,
    advance: 1,
    wake: 2,
    close: 1
  }

  it.each(configurations)("keeps its rules in every order of events: %s", (name, list, options, others) => {
    const limits = { ...usual, ...others }
    const replayed = (trace: ReadonlyArray<string>) => {
      const world = new World({ ...policy, ...options }, list)
      const happened = new Map<string, number>()
      for (const step of trace) {
        movesOf(world, list, happened, limits).find((move) => move.name === step)!.run()
        world.judge()
        happened.set(kindOf(step), (happened.get(kindOf(step)) ?? 0) + 1)
      }
      return { world, moves: movesOf(world, list, happened, limits), happened }
    }
    const reached = new Set<string>()
    let frontier: Array<ReadonlyArray<string>> = [[]]
    while (frontier.length > 0 && reached.size < states) {
      const next: typeof frontier = []
      for (const trace of frontier) {
        if (reached.size >= states) break
        for (const move of replayed(trace).moves) {
          const longer = [...trace, move.name]
          let world: World | undefined = undefined
          try {
            const after = replayed(longer)
            world = after.world
            const state = world.snapshot() +
              JSON.stringify([...after.happened].map(([kind, count]) => `${kind}${count}`).toSorted())
            if (reached.has(state)) continue
            reached.add(state)
            next.push(longer)
            // the kind ending, from each state
            if (!world.isClosed) world.beKind()
          } catch (cause) {
            throw failureOf(cause, longer, world ?? new World(policy, list))
          }
        }
      }
      frontier = next
    }
    console.log(`${name}: ${reached.size} states`)
    assert.isAtLeast(reached.size, Math.min(states, 500))
  })
})
