/** Requests that share streams, beside exclusive streams, the same by hand, and RPCs. */
import { number, spread, table, whole } from "../harness/format.js"
import { type Group, ratio, type Requirement, type Results } from "../harness/model.js"
import { type Contestant, peers } from "./contestants.js"
import { entry, fibersTitle, many, one, type Size } from "./echo.js"
import { startServers } from "./echoServer.js"
import type { Implementation } from "./implementations.js"
import { byHand, exclusive, exclusiveOfOne, request, rpc, shared } from "./multiplexed.js"

interface Case {
  readonly size: Size
  readonly fibers: ReadonlyArray<number>
  readonly contestants: ReadonlyArray<Contestant>
}

const small: Size = { group: "shared-100B", title: "100 B", bytes: 100 }
const sizes: ReadonlyArray<Size> = [
  { group: "shared-4KiB", title: "4 KiB", bytes: 4 << 10 },
  { group: "shared-16KiB", title: "16 KiB", bytes: 16 << 10 },
  { group: "shared-64KiB", title: "64 KiB", bytes: 64 << 10 }
]

const report = ({ contestants, fibers, size: { group, title } }: Case, results: Results): ReadonlyArray<string> =>
  fibers.map((at) =>
    table(
      [
        `${title}, ${fibersTitle(at)}`,
        "requests/s",
        "±",
        "best",
        "median (ms)",
        "99 % (ms)",
        "processor (µs per request)"
      ],
      contestants.map(({ peer }) => [
        peer,
        whole(results.median(group, peer, "perSecond", at)),
        spread(results.get(group, peer, "perSecond", at)),
        whole(best(results, group, peer, at)),
        number(results.median(group, peer, "median", at)),
        number(results.median(group, peer, "p99", at)),
        number(results.median(group, peer, "cpu", at))
      ])
    )
  )

const best = (results: Results, group: string, peer: string, at: number): number | undefined => {
  const samples = results.get(group, peer, "perSecond", at)?.samples
  return samples === undefined ? undefined : Math.max(...samples)
}

/** Bounds of shared streams, against the others. */
const boundsOf = ({ group, title }: Size, results: Results) => {
  const bound =
    (figure: "perSecond" | "p99" | "cpu", words: string, bound: Requirement["bound"]) =>
    (fibers: number, peer: string): Requirement => {
      const of = (peer: string) => results.median(group, peer, figure, fibers)
      return {
        what: `${title}, ${fibersTitle(fibers)}: ${words} ${peers.shared}, to ${peer}`,
        figure: ratio(of(peers.shared), of(peer)),
        bound,
        unit: "×"
      }
    }
  return {
    faster: (atLeast: number) => bound("perSecond", "requests/s of", { atLeast }),
    cheaper: (atMost: number) => bound("cpu", "processor time of", { atMost }),
    sooner: bound("p99", "99 % of the times of", { below: 1 })
  }
}

type Requirements = (bounds: ReturnType<typeof boundsOf>) => ReadonlyArray<Requirement>

const group = (which: Case, requirements: Requirements) => (implementation: Implementation): Group => ({
  name: which.size.group,
  title: `Send ${which.size.title} on shared streams, read ${which.size.title}`,
  start: () => startServers(implementation),
  entries: () =>
    which.fibers.flatMap((fibers) =>
      which.contestants.map((contestant) => entry(implementation, contestant, which.size, fibers))
    ),
  report: (results) => report(which, results),
  charts: (results) =>
    which.size !== small ? [] : [{
      title: `Send ${which.size.title} on shared streams and read them back, ${fibersTitle(many)}`,
      subtitle: "time for a request over WebTransport, in units of shared streams",
      bars: which.contestants.map(({ peer }) => {
        const perSecond = (peer: string) => results.median(which.size.group, peer, "perSecond", many)
        return {
          contestant: peer,
          isOurs: peer === peers.shared,
          ratio: ratio(perSecond(peers.shared), perSecond(peer))
        }
      })
    }],
  requirements: (results) => requirements(boundsOf(which.size, results))
})

const large = (atLeast: (size: Size) => number | undefined) =>
  sizes.map((size) =>
    group(
      { size, fibers: [many], contestants: [byHand, shared, exclusive, exclusiveOfOne] },
      ({ faster }) => {
        const bound = atLeast(size)
        return bound === undefined ? [] : [peers.pooled, peers.pooledOfOne].map((peer) => faster(bound)(many, peer))
      }
    )
  )

/** The groups over HTTP/2. */
export const sharedOverHttp2 = [
  group({
    size: small,
    fibers: [one, many, 1_000],
    contestants: [byHand, shared, exclusive, request, rpc]
  }, ({ cheaper, faster, sooner }) => [
    faster(0.6)(many, peers.byHand),
    cheaper(1.8)(many, peers.byHand),
    faster(3)(many, peers.rpc),
    faster(0.95)(one, peers.pooled),
    faster(2.7)(many, peers.pooled),
    cheaper(0.5)(many, peers.pooled),
    faster(3.2)(many, peers.request),
    cheaper(0.5)(many, peers.request),
    faster(3)(1_000, peers.pooled),
    cheaper(0.42)(1_000, peers.pooled),
    sooner(1_000, peers.pooled)
  ]),
  ...large(({ bytes }) => bytes > 4 << 10 ? 0.95 : 1.3)
]

/** The groups over HTTP/3. */
export const sharedOverHttp3 = [
  group({
    size: small,
    fibers: [one, many],
    contestants: [byHand, shared, exclusive, request]
  }, ({ cheaper, faster }) => [
    faster(0.6)(many, peers.byHand),
    cheaper(1.8)(many, peers.byHand),
    faster(2)(many, peers.pooled),
    cheaper(0.5)(many, peers.pooled),
    cheaper(1.3)(one, peers.pooled)
  ]),
  ...large(() => undefined)
]
