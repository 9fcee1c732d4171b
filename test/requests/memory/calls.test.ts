import * as Effect from "#test/Effect"
import * as Fiber from "#test/Fiber"
import { SingleCall } from "../../../src/internal/requests/calls.js"
import { bytes, turn } from "../../support/streamPools.js"
import { assert, describe, it } from "../../support/vitest.js"

describe("a request of one answer", () => {
  it.effect("does not keep an answer that its fiber has taken", () =>
    Effect.gen(function*() {
      const call = new SingleCall(bytes("request"))
      const asking = yield* Effect.fork(call.wait)
      yield* turn
      call.answered(bytes("answer"))
      assert.deepStrictEqual(yield* Fiber.join(asking), bytes("answer"))
      assert.isUndefined(call.outcome)
    }))

  it.effect("keeps an answer that comes before its fiber waits", () =>
    Effect.gen(function*() {
      const call = new SingleCall(bytes("request"))
      call.answered(bytes("answer"))
      assert.deepStrictEqual(yield* call.wait, bytes("answer"))
    }))
})
