import { describe, expect, it } from "@effect/vitest"
import { type Bounds, judge, LimitWatch, type Observed } from "./permitsVerdict.js"

const bounds: Bounds = { limit: 2, timeToLive: 3_000, lag: 500, longestWait: 3_000, aftermath: 9_000 }

const well: Observed = {
  excesses: [],
  waits: [{ member: 0, from: 0, to: 3_000 }],
  stalls: [],
  faults: [],
  answers: [1, 2],
  starved: 2_000,
  back: 3_500
}

const verdictOn = (change: Partial<Observed>) => {
  const { late, wrong } = judge({ ...well, ...change }, bounds, 0)
  return { late: late.length, wrong: wrong.length }
}

describe("the verdict on a fleet's limit", () => {
  it("finds nothing where all is well", () => {
    expect(verdictOn({})).toEqual({ late: 0, wrong: 0 })
  })

  it("a session above the limit is wrong, if it stays longer than the server hears late", () => {
    const watch = new LimitWatch(2)
    for (const [open, now] of [[3, 0], [3, 500], [2, 510], [3, 600], [1, 610], [3, 700], [4, 1_100]] as const) {
      watch.see(open, now)
    }
    expect(verdictOn({ excesses: watch.excesses })).toEqual({ late: 0, wrong: 0 })
    watch.see(3, 1_201)
    expect(verdictOn({ excesses: watch.excesses })).toEqual({ late: 0, wrong: 1 })
    expect(watch).toMatchObject({ most: 2, excesses: [{ most: 3 }, { most: 3 }, { most: 4, from: 700, to: 1_201 }] })
  })

  it("is a matter of a busy machine, if a process had got no turn before", () => {
    const excesses = [{ from: 10_000, to: 11_000, most: 3 }]
    const stalled = (from: number, to: number) => verdictOn({ excesses, stalls: [{ member: 1, from, to }] })
    expect(stalled(6_000, 7_500)).toEqual({ late: 1, wrong: 0 })
    expect(stalled(5_000, 7_000)).toEqual({ late: 0, wrong: 1 })
    expect(stalled(9_000, 9_499)).toEqual({ late: 0, wrong: 1 })
    expect(stalled(11_000, 12_000)).toEqual({ late: 0, wrong: 1 })
  })

  it("a process without an answer is wrong, and permits that do not come back", () => {
    expect(verdictOn({ answers: [1, 0, 0] })).toEqual({ late: 0, wrong: 2 })
    expect(verdictOn({ starved: undefined })).toEqual({ late: 0, wrong: 1 })
    expect(verdictOn({ back: undefined })).toEqual({ late: 0, wrong: 1 })
  })

  it("a long wait is late, unless something had failed", () => {
    const waits = [{ member: 1, from: 20_000, to: 23_001 }]
    expect(verdictOn({ waits })).toEqual({ late: 1, wrong: 0 })
    expect(verdictOn({ waits, faults: [{ from: 10_000, to: 10_500 }] })).toEqual({ late: 1, wrong: 0 })
    expect(verdictOn({ waits, faults: [{ from: 10_000, to: 11_500 }] })).toEqual({ late: 0, wrong: 0 })
    expect(verdictOn({ waits, faults: [{ from: 23_000, to: 23_500 }] })).toEqual({ late: 0, wrong: 0 })
    expect(verdictOn({ starved: 2_001 })).toEqual({ late: 1, wrong: 0 })
    expect(verdictOn({ back: 3_501 })).toEqual({ late: 1, wrong: 0 })
  })
})
