/** The remaining heap after very many requests. */
import * as Effect from "effect/Effect"
import { setImmediate } from "node:timers/promises"
import { number, table, whole } from "../harness/format.js"
import { collect } from "../harness/measure.js"
import type { Entry, Group, Results } from "../harness/model.js"
import { contestants, peers, withContestant } from "./contestants.js"
import { startEchoServer } from "./echoServer.js"
import type { Implementation } from "./implementations.js"
import { Count, senders } from "./load.js"
import { shared } from "./multiplexed.js"

const group = "soak"
const fibers = 64
const bytes = 100
const warm = 5_000
const all = 100_000
const few = all / 5

/** The contestants that keep their streams. */
const soaked = [shared, ...contestants.filter(({ peer }) => peer === peers.pooled || peer === peers.held)]

/** The heap and its external buffers, in MB. */
const held = async () => {
  // finalizers of the first collection produce garbage themselves
  for (let i = 0; i < 2; i++) {
    collect()
    await setImmediate()
  }
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return { heap: heapUsed / 1e6, buffers: arrayBuffers / 1e6 }
}

const entry = (implementation: Implementation, contestant: typeof shared, at: number): Entry => ({
  peer: contestant.peer,
  at,
  rounds: 2,
  limit: 90,
  measure: () =>
    withContestant(implementation, contestant, fibers, (drive) =>
      Effect.gen(function*() {
        yield* drive(senders(new Count(warm), fibers, bytes))
        const before = yield* Effect.promise(held)
        yield* drive(senders(new Count(at - warm), fibers, bytes))
        const after = yield* Effect.promise(held)
        return {
          warm: [before.heap],
          heap: [after.heap - before.heap],
          buffers: [after.buffers - before.buffers]
        }
      }))
})

const report = (results: Results): ReadonlyArray<string> => [
  table(
    ["64 fibers, 100 B", "requests", "heap when warm (MB)", "grown by (MB)", "buffers grown by (MB)"],
    soaked.flatMap(({ peer }) =>
      [few, all].filter((at) => results.get(group, peer, "heap", at) !== undefined).map((at) => [
        peer,
        whole(at),
        ...["warm", "heap", "buffers"].map((figure) => number(results.median(group, peer, figure, at)))
      ])
    )
  )
]

export const soak = (implementation: Implementation): Group => ({
  name: group,
  title: "What very many requests leave behind",
  start: () => startEchoServer(implementation),
  entries: ({ quick }) => soaked.map((contestant) => entry(implementation, contestant, quick ? few : all)),
  report,
  requirements: (results) =>
    [peers.shared, peers.pooled].map((peer) => {
      const samples = results.get(group, peer, "heap", all)?.samples
      return {
        what: `${whole(all)} requests: ${peer}, growth of the heap`,
        figure: samples === undefined ? undefined : Math.max(...samples),
        bound: { atMost: 10 },
        unit: "MB"
      }
    })
})
