import { assert, describe, it } from "vitest"
import { Agenda } from "../../benchmark/simulation/agenda.js"
import { fairness } from "../../benchmark/simulation/outcome.js"

describe("Agenda", () => {
  it("runs what is planned in the order of its time, and what is due at the same time in the order of its planning", () => {
    const agenda = new Agenda()
    const seen: Array<string> = []
    const note = (what: string) => () => seen.push(`${what} at ${agenda.now}`)
    agenda.at(20, note("third"))
    agenda.at(10, note("first"))
    agenda.at(20, note("fourth"))
    const cancelled = agenda.at(15, note("never"))
    agenda.after(12, () => {
      agenda.cancel(cancelled)
      note("second")()
      agenda.after(0, note("at once"))
    })
    agenda.at(31, note("too late"))
    agenda.runUntil(30)
    assert.deepStrictEqual(seen, ["first at 10", "second at 12", "at once at 12", "third at 20", "fourth at 20"])
    assert.strictEqual(agenda.now, 30)
  })

  it("lets an alarm that is due now ring later, so that no machine is asked for ever", () => {
    const agenda = new Agenda()
    let rings = 0
    const ring = (): void => {
      if (++rings < 100) agenda.alarm(agenda.now, ring)
    }
    agenda.alarm(0, ring)
    agenda.runUntil(0)
    assert.strictEqual(rings, 0)
    agenda.runUntil(1)
    assert.strictEqual(rings, 100)
  })
})

describe("fairness", () => {
  it("is 1 if all pools had the same share, and 1/n if one pool had all", () => {
    assert.strictEqual(fairness([0.5, 0.5, 0.5, 0.5]), 1)
    assert.strictEqual(fairness([1, 0, 0, 0]), 0.25)
    assert.strictEqual(fairness([0, 0]), 1)
  })
})
