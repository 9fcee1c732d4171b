import { isTraced } from "#effect/tracing"
import * as Effect from "#test/Effect"
import { recordingTracer } from "../support/tracer.js"
import { assert, describe, it } from "../support/vitest.js"

describe("tracing", () => {
  it.effect("is known to be off where a fiber has Effect's own tracer", () =>
    Effect.gen(function*() {
      assert.isFalse(isTraced(yield* Effect.tracer))
      assert.isTrue(isTraced(recordingTracer().tracer))
    }))
})
