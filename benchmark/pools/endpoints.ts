/** Borrow and return of sessions, without waiters: of one server, and of several. The sessions are in memory. */
import * as Effect from "#test/Effect"
import * as Layer from "#test/Layer"
import * as SessionPool from "../../src/SessionPool.js"
import * as TestWebTransport from "../../src/TestWebTransport.js"
import { none, number, spread, table, times } from "../harness/format.js"
import { perOperation } from "../harness/measure.js"
import { type Entry, type Group, ratio, type Results } from "../harness/model.js"
import { effectLoop, open, trivial } from "./peers.js"

const group = "endpoints"
const size = 9

const contestants = {
  one: "`SessionPool.use`, one server, a trivial effect",
  three: "`SessionPool.use`, three endpoints"
}

const server = (name: string) => `https://${name}.test/`

const entry = (peer: string, options: SessionPool.Options): Entry => ({
  peer,
  limit: 30,
  measure: async (settings) => {
    const pool = await open(
      Effect.gen(function*() {
        const context = yield* Layer.build(TestWebTransport.layer())
        const pool = yield* Effect.provide(SessionPool.make({ ...options, minSize: size, maxSize: size }), context)
        yield* pool.ready
        return pool
      })
    )
    return perOperation(effectLoop(() => pool.use(() => trivial)), settings)
  }
})

const ns = (results: Results, peer: string) => results.median(group, peer, "ns")

const toOne = (results: Results, peer: string) => ratio(ns(results, peer), ns(results, contestants.one))

export const endpoints: Group = {
  name: group,
  title: "Borrow and return sessions of several endpoints",
  entries: () => [
    entry(contestants.one, { url: server("a") }),
    entry(contestants.three, { endpoints: ["a", "b", "c"].map((name) => ({ url: server(name) })) })
  ],
  report: (results) => [
    table(
      [`${size} sessions, nobody waiting`, "ns per op", "±", "bytes per op", "to one server"],
      Object.values(contestants).map((peer) => [
        peer,
        number(ns(results, peer)),
        spread(results.get(group, peer, "ns")),
        number(results.median(group, peer, "bytes")),
        peer === contestants.one ? none : times(toOne(results, peer))
      ])
    )
  ],
  requirements: (results) => [
    {
      what: "`SessionPool.use`, three endpoints: to one server",
      figure: toOne(results, contestants.three),
      bound: { atMost: 1.1 },
      unit: "×"
    }
  ]
}
