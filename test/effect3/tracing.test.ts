import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { isTraced } from "../../src/internal/effect3/tracing.js"
import { recordingTracer } from "../support/tracer.js"

describe("tracing", () => {
  it.effect("is known to be off where a fiber has Effect's own tracer", () =>
    Effect.gen(function*() {
      assert.isFalse(isTraced(yield* Effect.tracer))
      assert.isTrue(isTraced(recordingTracer().tracer))
    }))
})
