/** Requests of one size, from one fiber and from many. */
import * as Effect from "effect/Effect"
import { number, seconds, spread, table, whole } from "../harness/format.js"
import { type Entry, type Group, ratio, type Requirement, type Results, type Settings } from "../harness/model.js"
import { type Contestant, contestants, peers, plain, withContestant } from "./contestants.js"
import { startEchoServer } from "./echoServer.js"
import type { Implementation } from "./implementations.js"
import { senders, Stint, Window } from "./load.js"

export interface Size {
  readonly group: string
  readonly title: string
  readonly bytes: number
}

export const one = 1
export const many = 64
const fiberCounts = [one, many]
export const fibersTitle = (fibers: number) => fibers === 1 ? "1 fiber" : `${whole(fibers)} fibers`

const extent = ({ quick }: Settings) =>
  quick
    ? { preludeMillis: 200, warmupMillis: 600, millis: 400 }
    : { preludeMillis: 500, warmupMillis: 1_800, millis: 1_300 }

/**
 * A few streams in plain JavaScript, before the contestant opens its own. V8 decides once per process whether the promises
 * of Node's streams go to its old generation. If the first collection finds many new and idle promises, as in a process that
 * opens 64 streams at first, all later ones do, with everything they hold.
 */
const prelude = (implementation: Implementation, millis: number, bytes: number) =>
  withContestant(implementation, plain, 4, (drive) => Effect.suspend(() => drive(senders(new Stint(millis), 4, bytes))))

/**
 * Opened for many fibers and warmed up by them, also if one fiber is measured: one fiber alone would need ten seconds until
 * the slower contestants are compiled, an advantage for the faster ones.
 */
export const entry = (
  implementation: Implementation,
  contestant: Contestant,
  { bytes }: Size,
  fibers: number
): Entry => ({
  peer: contestant.peer,
  at: fibers,
  limit: 30,
  measure: async (settings) => {
    const { millis, preludeMillis, warmupMillis } = extent(settings)
    await prelude(implementation, preludeMillis, bytes)
    const opened = Math.max(many, fibers)
    return withContestant(implementation, contestant, opened, (drive) =>
      Effect.gen(function*() {
        yield* drive(senders(new Stint(warmupMillis), opened, bytes))
        const window = new Window(millis, fibers)
        yield* drive(senders(window, fibers, bytes))
        return window.figures
      }))
  }
})

const report = ({ group, title }: Size, results: Results): ReadonlyArray<string> =>
  fiberCounts.map((fibers) =>
    table(
      [
        `${title}, ${fibersTitle(fibers)}`,
        "requests/s",
        "±",
        "median (ms)",
        "99 % (ms)",
        "processor (µs per request)"
      ],
      contestants.map(({ peer }) => {
        const limit = results.limit(group, peer, fibers)
        return [
          peer,
          limit === undefined ? whole(results.median(group, peer, "perSecond", fibers)) : seconds(limit),
          spread(results.get(group, peer, "perSecond", fibers)),
          number(results.median(group, peer, "median", fibers)),
          number(results.median(group, peer, "p99", fibers)),
          number(results.median(group, peer, "cpu", fibers))
        ]
      })
    )
  )

/** The bounds of pooled streams, against the others. */
const boundsOf = ({ group, title }: Size, results: Results) => {
  const bound =
    (figure: "perSecond" | "cpu", words: string, bound: Requirement["bound"]) =>
    (fibers: number, peer: string): Requirement => {
      const of = (peer: string) => results.median(group, peer, figure, fibers)
      return {
        what: `${title}, ${fibersTitle(fibers)}: ${words} ${peers.pooled}, to ${peer}`,
        figure: ratio(of(peers.pooled), of(peer)),
        bound,
        unit: "×"
      }
    }
  return {
    faster: (atLeast: number) => bound("perSecond", "requests/s of", { atLeast }),
    cheaper: (atMost: number) => bound("cpu", "processor time of", { atMost })
  }
}

type Bounds = ReturnType<typeof boundsOf>

type Requirements = (bounds: Bounds) => ReadonlyArray<Requirement>

const echo = (size: Size, requirements: Requirements) => (implementation: Implementation): Group => ({
  name: size.group,
  title: `Send ${size.title}, read ${size.title}`,
  start: () => startEchoServer(implementation),
  entries: () =>
    fiberCounts.flatMap((fibers) => contestants.map((contestant) => entry(implementation, contestant, size, fibers))),
  report: (results) => report(size, results),
  charts: (results) => [{
    title: `Send ${size.title} and read them back, ${fibersTitle(many)}`,
    subtitle: "time for a request over WebTransport, in units of pooled streams",
    bars: [peers.raw, peers.held, peers.pooled, peers.stream, peers.session].map((peer) => {
      const perSecond = (peer: string) => results.median(size.group, peer, "perSecond", many)
      return {
        contestant: peer,
        isOurs: peer === peers.pooled,
        ratio: ratio(perSecond(peers.pooled), perSecond(peer))
      }
    })
  }],
  requirements: (results) => requirements(boundsOf(size, results))
})

const bytes100: Size = { group: "100B", title: "100 B", bytes: 100 }
const kib4: Size = { group: "4KiB", title: "4 KiB", bytes: 4 << 10 }
const kib64: Size = { group: "64KiB", title: "64 KiB", bytes: 64 << 10 }

/** The groups over HTTP/2. */
export const overHttp2 = [
  echo(bytes100, ({ cheaper, faster }) => [
    faster(3.5)(many, peers.stream),
    faster(40)(many, peers.session),
    faster(3)(one, peers.stream),
    faster(15)(one, peers.session),
    cheaper(1.15)(many, peers.held),
    cheaper(1.8)(many, peers.raw)
  ]),
  echo(kib4, ({ faster }) => [
    faster(2.5)(many, peers.stream),
    faster(15)(many, peers.session),
    faster(2.5)(one, peers.stream),
    faster(15)(one, peers.session)
  ]),
  echo(kib64, ({ faster }) => [
    faster(1.2)(many, peers.stream),
    faster(1.2)(one, peers.stream)
  ])
]

/** The groups over HTTP/3. */
export const overHttp3 = [
  echo(bytes100, ({ faster }) => [
    faster(4)(many, peers.stream),
    faster(25)(many, peers.session),
    faster(2)(one, peers.stream),
    faster(8)(one, peers.session)
  ]),
  echo(kib4, () => []),
  echo(kib64, () => [])
]
