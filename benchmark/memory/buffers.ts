/** Buffers: take a buffer, touch each of its pages, return the oldest of 64 that are out. */
import type * as BufferPool from "../../src/BufferPool.js"
import { number, spread, table, times, whole } from "../harness/format.js"
import { collect, nanos, type Run } from "../harness/measure.js"
import { type Entry, type Figures, type Group, ratio, type Results } from "../harness/model.js"
import { bufferPool, drop, live, memPool, ring, tieredBufferPool, touch } from "./peers.js"

const group = "buffers"

const peers = {
  made: "`new Uint8Array`",
  node: "`Buffer.allocUnsafe`",
  list: "array pop and push",
  cleared: "array pop and push, `fill(0)`",
  zeroed: "`BufferPool`, zeroed",
  view: "`BufferPool`, zeroed, `lease.view(1024)`",
  never: "`BufferPool`, `zero: \"never\"`",
  tiered: "`TieredBufferPool`, `zero: \"never\"`",
  malloc: "@thi.ng/malloc `mallocAs` and `free`"
}

const sizes = [256, 4096, 65536, 1048576]

const alone = {
  single: "`BufferPool`",
  tiered: "`TieredBufferPool`"
}

/** Only takes and returns. */
const pair = <B>(take: () => B, give: (buffer: B) => void): Run => (operations) => {
  for (let i = 0; i < operations; i++) give(take())
}

const unsafe = async (pool: Promise<BufferPool.Service>): Promise<Run> => {
  const buffers = await pool
  return ring(() => buffers.unsafeAcquire(), touch, (bytes) => void buffers.unsafeRelease(bytes))
}

const runs = (at: number): ReadonlyArray<readonly [string, () => Run | Promise<Run>]> => [
  [peers.made, () => ring(() => new Uint8Array(at), touch, drop)],
  [peers.node, () => ring<Uint8Array>(() => Buffer.allocUnsafe(at), touch, drop)],
  [peers.list, () => {
    const idle = Array.from({ length: live + 1 }, () => new Uint8Array(at))
    return ring(() => idle.pop()!, touch, (bytes) => void idle.push(bytes))
  }],
  [peers.cleared, () => {
    const idle = Array.from({ length: live + 1 }, () => new Uint8Array(at))
    return ring(() => idle.pop()!, touch, (bytes) => void idle.push(bytes.fill(0)))
  }],
  [peers.zeroed, () => unsafe(bufferPool(at, "onRelease"))],
  [peers.view, async () => {
    const pool = await bufferPool(at, "onRelease")
    return ring(() => pool.lease(), (lease) => touch(lease.view(Math.min(at, 1024))), (lease) => void lease.release())
  }],
  [peers.never, () => unsafe(bufferPool(at, "never"))],
  [peers.tiered, async () => {
    const pool = await tieredBufferPool("never")
    return ring(() => pool.unsafeAcquire(at), touch, (bytes) => void pool.unsafeRelease(bytes))
  }],
  [peers.malloc, () => {
    const pool = memPool((live + 2) * (at + 64))
    return ring<Uint8Array>(() => pool.mallocAs("u8", at)!, touch, (bytes) => void pool.free(bytes))
  }]
]

/** The maximum growth of the process in MB, over a thousand turns of all buffers that are out. */
const peak = async (run: Run, at: number): Promise<ReadonlyArray<number>> => {
  collect()
  const before = process.memoryUsage().rss
  await run(at >= 1048576 ? 4_000 : 64_000)
  return [Math.max(0, process.resourceUsage().maxRSS * 1024 - before) / 1024 / 1024]
}

/** The peak has separate entries: memory of an earlier measurement in the process would count. */
const entriesAt = (at: number): ReadonlyArray<Entry> =>
  runs(at).flatMap(([peer, make]) => [
    {
      peer,
      at,
      limit: 60,
      measure: async (settings): Promise<Figures> => ({ ns: await nanos(await make(), settings) })
    },
    {
      peer: `${peer}, peak`,
      at,
      rounds: 3,
      limit: 60,
      // the pool's own buffers count
      measure: async (): Promise<Figures> => ({
        peak: await peak(async (operations) => (await make())(operations), at)
      })
    }
  ])

const pairs = (at: number): ReadonlyArray<Entry> => {
  const entry = (peer: string, make: () => Promise<Run>): Entry => ({
    peer,
    at,
    limit: 60,
    measure: async (settings) => ({ ns: await nanos(await make(), settings) })
  })
  return [
    entry(alone.single, async () => {
      const pool = await bufferPool(at, "never")
      return pair(() => pool.unsafeAcquire(), (bytes) => void pool.unsafeRelease(bytes))
    }),
    entry(alone.tiered, async () => {
      const pool = await tieredBufferPool("never")
      return pair(() => pool.unsafeAcquire(at), (bytes) => void pool.unsafeRelease(bytes))
    })
  ]
}

const ns = (results: Results, peer: string, at: number) => results.median(group, peer, "ns", at)
const megabytes = (results: Results, peer: string, at: number) => results.median(group, `${peer}, peak`, "peak", at)

const report = (results: Results): ReadonlyArray<string> => [
  table(
    ["ns per op", ...sizes.flatMap((at) => [`${whole(at)} B`, "±"])],
    Object.values(peers).map((peer) => [
      peer,
      ...sizes.flatMap((at) => [number(ns(results, peer, at)), spread(results.get(group, peer, "ns", at))])
    ])
  ),
  table(
    ["to `Buffer.allocUnsafe`: times faster", ...sizes.map((at) => `${whole(at)} B`)],
    Object.values(peers).map((peer) => [
      peer,
      ...sizes.map((at) => times(ratio(ns(results, peers.node, at), ns(results, peer, at))))
    ])
  ),
  table(
    ["memory at its peak, MB", ...sizes.map((at) => `${whole(at)} B`)],
    Object.values(peers).map((peer) => [peer, ...sizes.map((at) => number(megabytes(results, peer, at)))])
  ),
  table(
    ["taking and giving back alone, ns", ...sizes.map((at) => `${whole(at)} B`)],
    Object.values(alone).map((peer) => [peer, ...sizes.map((at) => number(ns(results, peer, at)))])
  )
]

export const buffers: Group = {
  name: group,
  title: "Buffers",
  entries: () => sizes.flatMap((at) => [...entriesAt(at), ...pairs(at)]),
  report,
  charts: (results) =>
    ([[4096, "4 KiB"], [1048576, "1 MiB"]] as const).map(([at, title]) => ({
      title: `A buffer of ${title}: take it, touch every page, give it back`,
      subtitle: "time, in units of a BufferPool that zeroes what comes back",
      bars: ([
        ["BufferPool, never zeroed", peers.never],
        ["TieredBufferPool, never zeroed", peers.tiered],
        ["BufferPool", peers.zeroed],
        ["@thi.ng/malloc, never zeroed", peers.malloc],
        ["Buffer.allocUnsafe", peers.node],
        ["new Uint8Array", peers.made]
      ] as const).map(([contestant, peer]) => ({
        contestant,
        isOurs: contestant.includes("BufferPool"),
        ratio: ratio(ns(results, peer, at), ns(results, peers.zeroed, at))
      }))
    })),
  requirements: (results) => {
    const faster = (own: string, peer: string, at: number) => ratio(ns(results, peer, at), ns(results, own, at))
    const memory = (at: number) => ratio(megabytes(results, peers.never, at), megabytes(results, peers.node, at))
    const more = (at: number) => {
      const [tiered, single] = [ns(results, alone.tiered, at), ns(results, alone.single, at)]
      return tiered === undefined || single === undefined ? undefined : tiered - single
    }
    return [
      {
        what: "4 KiB, zeroed: faster than `Buffer.allocUnsafe`",
        figure: faster(peers.zeroed, peers.node, 4096),
        bound: { atLeast: 8 },
        unit: "×"
      },
      {
        what: "4 KiB, zeroed: faster than `new Uint8Array`",
        figure: faster(peers.zeroed, peers.made, 4096),
        bound: { atLeast: 10 },
        unit: "×"
      },
      {
        what: "64 KiB, never zeroed: faster than `Buffer.allocUnsafe`",
        figure: faster(peers.never, peers.node, 65536),
        bound: { atLeast: 30 },
        unit: "×"
      },
      {
        what: "1 MiB, never zeroed: faster than `Buffer.allocUnsafe`",
        figure: faster(peers.never, peers.node, 1048576),
        bound: { atLeast: 20 },
        unit: "×"
      },
      {
        what: "64 KiB: peak memory to that of `Buffer.allocUnsafe`",
        figure: memory(65536),
        bound: { below: 0.5 },
        unit: "×"
      },
      {
        what: "1 MiB: peak memory to that of `Buffer.allocUnsafe`",
        figure: memory(1048576),
        bound: { below: 0.5 },
        unit: "×"
      },
      {
        what: "64 KiB, zeroed, `view(1024)`: faster than `new Uint8Array`",
        figure: faster(peers.view, peers.made, 65536),
        bound: { atLeast: 10 },
        unit: "×"
      },
      ...sizes.map((at) => ({
        what: `${whole(at)} B: tiered, more than the single-size pool`,
        figure: more(at),
        bound: { atMost: 25 },
        unit: "ns" as const
      }))
    ]
  }
}
