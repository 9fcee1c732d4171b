import * as Effect from "#test/Effect"
import * as Metric from "#test/Metric"
import { readFileSync } from "node:fs"
import * as keys from "../../../src/internal/observe/poolMetrics.js"
import * as MetricsExample from "../../support/metricsExample.js"
import { assert, describe, it } from "../../support/vitest.js"

const read = (name: string) => readFileSync(new URL(`../../../${name}`, import.meta.url), "utf8")

const names = (text: string): ReadonlySet<string> => new Set(text.match(/effect_pools_\w+/g))

const definitions = Metric.namesIn(keys)

/** The value of an attribute in OTLP's JSON. */
const attribute = (attributes: ReadonlyArray<any>, name: string): unknown => {
  const value = attributes.find(({ key }) => key === name)?.value
  return value?.stringValue ?? (value?.intValue === undefined ? undefined : Number(value.intValue))
}

describe("the example that exports metrics", () => {
  it.scopedLive("shows every metric of the library, and all that the dashboard asks for", () =>
    Effect.gen(function*() {
      const example = yield* MetricsExample.start()
      const scrape = yield* example.scrape
      const samples = names(scrape.split("\n").filter((line) => !line.startsWith("#")).join("\n"))
      const dashboard: { readonly panels: ReadonlyArray<{ readonly targets: ReadonlyArray<{ expr: string }> }> } = JSON
        .parse(read("examples/metrics/grafana-dashboard.json"))
      const asked = names(dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join("\n"))
      assert.isAtLeast(asked.size, 20)
      assert.deepStrictEqual([...asked].filter((name) => !samples.has(name)), [])
      for (const name of definitions) assert.isTrue(samples.has(name) || samples.has(`${name}_bucket`), name)
      assert.match(scrape, /effect_pools_acquisitions_total\{pool="streams"\} [1-9]/)
      assert.match(scrape, /effect_pools_use_time_seconds_bucket\{unit="s",pool="streams",le="\+Inf"\} [1-9]/)
      assert.match(scrape, /effect_pools_returned_total\{pool="buffers"\} [1-9]/)
      assert.deepStrictEqual(yield* example.stop, { code: 0, signal: null, stderr: "" })
    }))

  it.scopedLive("sends metrics and spans to a collector", () =>
    Effect.gen(function*() {
      const collector = yield* MetricsExample.collector
      const example = yield* MetricsExample.start({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })
      // the example sends the remaining data at its end
      assert.deepStrictEqual(yield* example.stop, { code: 0, signal: null, stderr: "" })

      const metrics = collector.to("/v1/metrics").flatMap(({ resourceMetrics }) =>
        resourceMetrics.flatMap(({ resource, scopeMetrics }: any) => {
          assert.strictEqual(attribute(resource.attributes, "service.name"), "effect-pools-example")
          return scopeMetrics.flatMap((scope: any) => scope.metrics)
        })
      )
      const metric = (name: string) => metrics.filter((metric) => metric.name === name).at(-1)
      for (const name of definitions) assert.isDefined(metric(name), name)
      const acquisitions = metric("effect_pools_acquisitions_total").sum
      assert.isTrue(acquisitions.isMonotonic)
      assert.sameMembers(
        acquisitions.dataPoints.map(({ attributes }: any) => attribute(attributes, "pool")),
        ["sessions", "streams", "buffers"]
      )
      const use = metric("effect_pools_use_time_seconds")
      assert.strictEqual(use.unit, "s")
      const streams = use.histogram.dataPoints.find(({ attributes }: any) =>
        attribute(attributes, "pool") === "streams"
      )
      assert.isAtLeast(Number(streams.count), 1)
      assert.strictEqual(streams.bucketCounts.length, streams.explicitBounds.length + 1)

      const spans = collector.to("/v1/traces").flatMap(({ resourceSpans }) =>
        resourceSpans.flatMap(({ scopeSpans }: any) => scopeSpans.flatMap((scope: any) => scope.spans))
      )
      const span = (name: string) => spans.find((span) => span.name === name)
      const create = span("SessionPool.create")
      const connect = span("WebTransport.connect")
      assert.isUndefined(create.parentSpanId)
      assert.strictEqual(connect.parentSpanId, create.spanId)
      assert.strictEqual(attribute(connect.attributes, "server.address"), "127.0.0.1")
      assert.strictEqual(attribute(connect.attributes, "network.protocol.version"), "2")
      const client = 3
      assert.strictEqual(connect.kind, client)
      const opening = span("StreamPool.create")
      assert.strictEqual(attribute(opening.attributes, "pool"), "streams")
      const wait = span("StreamPool.wait")
      assert.strictEqual(spans.find(({ spanId }) => spanId === wait.parentSpanId).name, "echo")
      assert.strictEqual(opening.links[0].traceId, wait.traceId)
      // a session whose streams were abandoned during a read may be retired before it is closed
      assert.include(["closed", "retired"], attribute(span("SessionPool.close").attributes, "reason"))
    }))
})
