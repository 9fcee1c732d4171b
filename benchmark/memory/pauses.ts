/** The time of the garbage collector, with a pool and without. */
import { PerformanceObserver } from "node:perf_hooks"
import * as ObjectPool from "../../src/ObjectPool.js"
import { number, table } from "../harness/format.js"
import type { Run } from "../harness/measure.js"
import type { Entry, Figures, Group, Results, Settings } from "../harness/model.js"
import { makeItem, open } from "../pools/peers.js"
import { bufferPool, drop, makeHeavy, objectPool, ring, touch, useHeavy } from "./peers.js"

const group = "pauses"

const cases = ["small object", "heavy object", "4 KiB buffer", "64 KiB buffer", "1 MiB buffer"] as const

type Case = (typeof cases)[number]

const without = (name: Case) => `${name}, new`
const withPool = (name: Case) => `${name}, pooled`

const buffers = async (bytes: number): Promise<Run> => {
  const pool = await bufferPool(bytes, "never")
  return ring(() => pool.unsafeAcquire(), touch, (buffer) => void pool.unsafeRelease(buffer))
}

const runs: Record<string, () => Run | Promise<Run>> = {
  [without("small object")]: () => ring(makeItem, (item) => item.id++, drop),
  [withPool("small object")]: async () => {
    const pool = await objectPool()
    return ring(() => pool.unsafeAcquire(), (item) => item.id++, (item) => void pool.unsafeRelease(item))
  },
  [without("heavy object")]: () => ring(makeHeavy, useHeavy, drop),
  [withPool("heavy object")]: async () => {
    const pool = await open(ObjectPool.make({ factory: makeHeavy }))
    return ring(() => pool.unsafeAcquire(), useHeavy, (heavy) => void pool.unsafeRelease(heavy))
  },
  [without("4 KiB buffer")]: () => ring(() => new Uint8Array(4096), touch, drop),
  [withPool("4 KiB buffer")]: () => buffers(4096),
  [without("64 KiB buffer")]: () => ring(() => new Uint8Array(65536), touch, drop),
  [withPool("64 KiB buffer")]: () => buffers(65536),
  [without("1 MiB buffer")]: () => ring(() => new Uint8Array(1048576), touch, drop),
  [withPool("1 MiB buffer")]: () => buffers(1048576)
}

/** Milliseconds: all pauses during 100,000 operations together, and the longest pause. */
const pauses = async (run: Run, settings: Settings, operations: number): Promise<Figures> => {
  const durations: Array<number> = []
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) durations.push(entry.duration)
  })
  // observations arrive a little later
  const turn = () => new Promise((resolve) => setTimeout(resolve, 20))
  const figures = { pause: [] as Array<number>, longest: [] as Array<number> }
  await run(operations)
  await turn()
  for (let i = 0; i < (settings.quick ? 1 : 3); i++) {
    durations.length = 0
    observer.observe({ entryTypes: ["gc"] })
    await run(operations)
    await turn()
    observer.disconnect()
    figures.pause.push(durations.reduce((sum, duration) => sum + duration, 0) * 100_000 / operations)
    figures.longest.push(Math.max(0, ...durations))
  }
  return figures
}

const entry = (name: Case, peer: string): Entry => ({
  peer,
  rounds: 3,
  limit: 120,
  measure: async (settings) => pauses(await runs[peer]!(), settings, name === "1 MiB buffer" ? 10_000 : 100_000)
})

const report = (results: Results): ReadonlyArray<string> => [
  table(
    ["ms of garbage collection per 100,000 ops", "new", "longest", "pooled", "longest"],
    cases.map((name) => [
      name,
      ...[without(name), withPool(name)].flatMap((peer) => [
        number(results.median(group, peer, "pause")),
        number(results.median(group, peer, "longest"))
      ])
    ])
  )
]

export const garbage: Group = {
  name: group,
  title: "Pauses",
  entries: () => cases.flatMap((name) => [entry(name, without(name)), entry(name, withPool(name))]),
  report,
  requirements: () => []
}
