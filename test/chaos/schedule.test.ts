import { describe, expect, it } from "@effect/vitest"
import {
  endpointKinds,
  endpointSchedule,
  kinds,
  permitKinds,
  permitSchedule,
  permitTimeToLive,
  schedule
} from "./schedule.js"

const seeds = Array.from({ length: 500 }, (_, seed) => seed)

describe("the schedule of faults", () => {
  it("has every kind within a minute", () => {
    for (const seed of seeds) expect(new Set(schedule(seed, 60_000).map(({ kind }) => kind)).size).toBe(kinds.length)
  })

  it("has every kind once before any comes again, in an order that the seed shuffles", () => {
    const first = new Set<string>()
    for (const seed of seeds.slice(0, 20)) {
      const all = schedule(seed, 600_000).map(({ kind }) => kind)
      for (let at = 0; at + kinds.length <= all.length; at += kinds.length) {
        expect(all.slice(at, at + kinds.length).toSorted()).toEqual(kinds.toSorted())
      }
      first.add(all.slice(0, kinds.length).join())
    }
    expect(first.size).toBe(20)
  })

  it("follows from the seed, and a longer one begins as a shorter one", () => {
    const all = schedule(7, 600_000)
    expect(schedule(7, 600_000)).toEqual(all)
    const minute = schedule(7, 60_000)
    expect(all.slice(0, minute.length)).toEqual(minute)
  })
})

describe("the schedule of a fleet's faults", () => {
  it("has every kind within a minute, and at least 100 servers hit in ten", () => {
    for (const seed of seeds) {
      expect(new Set(endpointSchedule(seed, 60_000).map(({ kind }) => kind)).size).toBe(endpointKinds.length)
      expect(endpointSchedule(seed, 600_000).flatMap(({ places }) => places).length).toBeGreaterThan(100)
    }
  })

  it("leaves one server well", () => {
    for (const seed of seeds) {
      const hit = endpointSchedule(seed, 60_000).map(({ places }) =>
        new Set(places).size === places.length && places.length
      )
      expect(new Set([1, 2, ...hit])).toEqual(new Set([1, 2]))
    }
  })
})

describe("the schedule of the faults of processes that share a limit", () => {
  it("has every kind within 42 s, and stops a process for longer than its permits last", () => {
    for (const seed of seeds) {
      const faults = permitSchedule(seed, 42_000)
      expect(new Set(faults.map(({ kind }) => kind)).size).toBe(permitKinds.length)
      const stopped = faults.filter(({ kind }) => kind === "stopProcess").map(({ lasts }) => lasts)
      expect(Math.min(...stopped)).toBeGreaterThan(permitTimeToLive)
    }
  })
})
