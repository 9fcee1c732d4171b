import { describe, expect, it } from "@effect/vitest"
import { kinds, schedule } from "./schedule.js"

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
