/** A thousand borrowers on a backend that refuses every connection. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Logger from "#test/Logger"
import * as Duration from "effect/Duration"
import * as Pool from "effect/Pool"
import * as ResourcePool from "../../src/ResourcePool.js"
import { number, seconds, table, whole } from "../harness/format.js"
import { type Entry, type Group, ratio, type Requirement, type Results } from "../harness/model.js"
import { effectPoolUse, type Item, open } from "./peers.js"

const group = "outage"
const borrowers = 1_000
const maxSize = 10

const peers = {
  ours: "`use`",
  poolUse: "Effect `Pool.use`",
  pool: "Effect `Effect.scoped(Pool.get)`",
  alone: "the same fibers, each failing by itself"
}

/** A connection that is refused after 5 ms. */
class Backend {
  attempts = 0

  readonly connect: Effect.Effect<Item, string> = Effect.suspend(() => {
    this.attempts++
    return Effect.andThen(Effect.sleep(Duration.millis(5)), Effect.fail("refused"))
  })
}

type Borrow = Effect.Effect<unknown, unknown>

/** How late a timer of the event loop was at worst, while something ran. */
const stallDuring = async (run: () => Promise<unknown>): Promise<number> => {
  const interval = 5
  let last = performance.now()
  let stall = 0
  const note = () => {
    const now = performance.now()
    stall = Math.max(stall, now - last - interval)
    last = now
  }
  const timer = setInterval(note, interval)
  await run()
  note()
  clearInterval(timer)
  return stall
}

const entry = (
  peer: string,
  limits: { readonly rounds: number; readonly limit: number },
  make: (backend: Backend) => Promise<Borrow>
): Entry => ({
  peer,
  ...limits,
  measure: async () => {
    const backend = new Backend()
    const borrow = await make(backend)
    const start = performance.now()
    let failed = 0
    const all = Effect.forEach(Array.from({ length: borrowers }), () => Effect.exit(borrow), {
      concurrency: "unbounded"
    })
    const stall = await stallDuring(async () => {
      failed = (await Effect.runPromise(all)).filter(Exit.isFailure).length
    })
    if (failed !== borrowers) throw new Error(`${failed} of ${borrowers} failed`)
    return { attempts: [backend.attempts], ms: [performance.now() - start], stall: [stall] }
  }
})

/** The pool warns of the outage; no line of that belongs into the table. */
const silent = Logger.replace(Logger.defaultLogger, Logger.make(() => undefined))

const ourEntry = entry(peers.ours, { rounds: 5, limit: 30 }, async ({ connect }) => {
  const pool = await open(Effect.provide(ResourcePool.make({ acquire: connect, maxSize }), silent))
  return pool.use(() => Effect.void)
})

const alone = entry(peers.alone, { rounds: 5, limit: 30 }, async ({ connect }) => connect)

const effectPool = ({ connect }: Backend) =>
  open(Pool.makeWithTTL({ acquire: connect, min: 0, max: maxSize, timeToLive: "1 minute" }))

const poolUse = (limit: number) =>
  entry(
    peers.poolUse,
    { rounds: 1, limit },
    async (backend) => effectPoolUse(await effectPool(backend), () => Effect.void)
  )

const scopedGet = entry(
  peers.pool,
  { rounds: 1, limit: 30 },
  async (backend) => Effect.scoped(Pool.get(await effectPool(backend)))
)

const report = (contestants: ReadonlyArray<string>) => (results: Results): ReadonlyArray<string> => [
  table(
    ["1,000 borrowers, maxSize 10, all creations fail", "attempts", "ms until all have failed", "longest stall (ms)"],
    contestants.map((peer) => {
      const limit = results.limit(group, peer)
      return [
        peer,
        whole(results.median(group, peer, "attempts")),
        limit === undefined ? number(results.median(group, peer, "ms")) : seconds(limit),
        number(results.median(group, peer, "stall"))
      ]
    })
  )
]

/** Effect 3 alone stalls for nearly as long, while it starts that many fibers. */
const requirements = (effect: 3 | 4) => (results: Results): ReadonlyArray<Requirement> => [
  {
    what: "1,000 borrowers on a dead backend: attempts",
    figure: results.median(group, peers.ours, "attempts"),
    bound: { atMost: 20 },
    unit: ""
  },
  effect === 4
    ? {
      what: "1,000 borrowers on a dead backend: longest stall of the event loop",
      figure: results.median(group, peers.ours, "stall"),
      bound: { atMost: 100 },
      unit: "ms"
    }
    : {
      what: "1,000 borrowers on a dead backend: longest stall of the event loop, to that of the fibers alone",
      figure: ratio(results.median(group, peers.ours, "stall"), results.median(group, peers.alone, "stall")),
      bound: { atMost: 2 },
      unit: "×"
    }
]

export const outage = (effect: 3 | 4): Group => ({
  name: group,
  title: "A dead backend",
  entries: ({ quick }) => [ourEntry, alone, effect === 4 ? poolUse(quick ? 5 : 120) : scopedGet],
  report: report([peers.ours, effect === 4 ? peers.poolUse : peers.pool, peers.alone]),
  requirements: requirements(effect)
})
