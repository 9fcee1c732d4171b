import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as MetricsExample from "./support/metricsExample.js"
import { promtool } from "./support/promtool.js"

it.scopedLive("what the example shows to Prometheus is as Prometheus wants it", () =>
  Effect.gen(function*() {
    const example = yield* MetricsExample.start()
    const { status, stderr, stdout } = promtool(yield* example.scrape, "check", "metrics")
    assert.deepStrictEqual({ status, stderr, stdout }, { status: 0, stderr: "", stdout: "" })
    // it does find what is wrong
    assert.strictEqual(promtool("a_total{ 1\n", "check", "metrics").status, 1)
  }), 60_000)
