import { poolRuntime } from "#effect/poolRuntime"
import * as Effect from "#test/Effect"
import * as TestClock from "#test/TestClock"
import { RefusalLog } from "../../src/internal/observe/refusalLog.js"
import { withLogs } from "../support/logs.js"
import { assert, it } from "../support/vitest.js"

it.effect("tells the first refusal for a reason at once, and then one a minute, with the number of those between", () =>
  withLogs((logs) =>
    Effect.gen(function*() {
      const runtime = yield* poolRuntime
      const log = new RefusalLog()
      const refuse = (times: number) =>
        Effect.replicateEffect(
          Effect.suspend(() => {
            log.tooManyStreams(runtime, 10, { path: "/rpc" })
            return TestClock.adjust(0)
          }),
          times
        )
      yield* refuse(3)
      yield* TestClock.adjust("59 seconds")
      yield* refuse(1)
      log.framing(runtime, "stream", { reason: "Malformed", message: "Malformed: …" }, {})
      yield* TestClock.adjust("1 second")
      yield* refuse(2)
      yield* TestClock.adjust("1 hour")
      yield* refuse(1)
      assert.deepStrictEqual(
        logs.map(({ annotations: { reason, since } }) => [reason, since]),
        [["TooManyStreams", undefined], ["Malformed", undefined], ["TooManyStreams", 3], ["TooManyStreams", 1]]
      )
    })
  ))
