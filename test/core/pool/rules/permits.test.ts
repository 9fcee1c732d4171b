import { assert, describe, it } from "vitest"
import { CommonLimit, KeyShare } from "../../../../src/internal/core/keyed/commonLimit.js"
import { ValueIndex } from "../../../../src/internal/core/pool/valueIndex.js"
import { Pool } from "./support.js"

const gated = (options: ConstructorParameters<typeof Pool>[0]) => {
  const gate = new KeyShare(new CommonLimit<number>(10, 10), 0)
  // a borrower of another key came before
  gate.arrive()
  return Object.assign(new Pool(options, { gate, byValue: new ValueIndex<number>() }), { gate })
}

describe("a permit", () => {
  it("is refused after the pool has withdrawn it, and after the pool has got it", () => {
    const pool = gated({})
    const waiter = pool.queue()
    const { permit } = pool.ofTag("AskPermit")[0]!
    pool.machine.abandon(waiter, pool.now)
    assert.deepStrictEqual(pool.ofTag("WithdrawPermit"), [{ _tag: "WithdrawPermit", permit }])
    assert.isFalse(pool.machine.granted(permit, pool.now))
    assert.strictEqual(pool.count("Create"), 0)

    pool.queue()
    const second = pool.ofTag("AskPermit")[1]!.permit
    assert.isTrue(pool.machine.granted(second, pool.now))
    assert.strictEqual(pool.count("Create"), 1)
    assert.isFalse(pool.machine.granted(second, pool.now))
    assert.strictEqual(pool.count("Create"), 1)
  })

  it("is for the first borrower that no item is on its way for", () => {
    const pool = gated({ maxSize: 3 })
    pool.queue()
    assert.isTrue(pool.machine.granted(pool.ofTag("AskPermit")[0]!.permit, pool.now))
    const second = pool.queue()
    assert.strictEqual(pool.gate.key, second.arrival)
    const third = pool.queue()
    assert.strictEqual(pool.gate.key, second.arrival)
    pool.machine.abandon(second, pool.now)
    assert.strictEqual(pool.gate.key, third.arrival)
  })

  it("is what a single borrower waits for, too; its gate knows the borrower, and an error says so", () => {
    const pool = gated({ acquireTimeout: 5 })
    const waiter = pool.queue()
    assert.strictEqual(pool.gate.key, waiter.arrival)
    pool.pass(5)
    assert.deepStrictEqual(waiter.refusal, { _tag: "AcquireTimeout", awaited: "permit" })
  })
})
