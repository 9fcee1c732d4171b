import * as Effect from "#test/Effect"
import { readFileSync } from "node:fs"
import * as MetricsExample from "../../support/metricsExample.js"
import { checkRules, promtool } from "../../support/promtool.js"
import { assert, it } from "../../support/vitest.js"

it.scopedLive("what the example shows to Prometheus is as Prometheus wants it", () =>
  Effect.gen(function*() {
    const example = yield* MetricsExample.start()
    const { status, stderr, stdout } = promtool(yield* example.scrape, "check", "metrics")
    assert.deepStrictEqual({ status, stderr, stdout }, { status: 0, stderr: "", stdout: "" })
    // promtool does find faults
    assert.strictEqual(promtool("a_total{ 1\n", "check", "metrics").status, 1)
  }))

const read = (name: string) => readFileSync(new URL(`../../../${name}`, import.meta.url), "utf8")

it("the alerts of the guide are rules for Prometheus", () => {
  const [, rules] = read("docs/operating.md").match(/```yaml\n([^]*?)```/)!
  const { status, stderr, stdout } = checkRules(rules!)
  assert.deepStrictEqual({ status, stderr }, { status: 0, stderr: "" })
  assert.match(stdout, /SUCCESS: 8 rules found/)
})

it("the dashboard asks in Prometheus' language", () => {
  const { panels } = JSON.parse(read("examples/metrics/grafana-dashboard.json"))
  const rules = panels.flatMap(({ targets }: { targets: ReadonlyArray<{ expr: string }> }) =>
    targets.map(({ expr }) => ({ expr: expr.replaceAll("$__rate_interval", "5m") }))
  ).map((rule: object, i: number) => ({ record: `rule_${i}`, ...rule }))
  const { status, stderr } = checkRules(JSON.stringify({ groups: [{ name: "dashboard", rules }] }))
  assert.deepStrictEqual({ status, stderr }, { status: 0, stderr: "" })
  rules[0].expr += ")"
  assert.notStrictEqual(checkRules(JSON.stringify({ groups: [{ name: "dashboard", rules }] })).status, 0)
})
