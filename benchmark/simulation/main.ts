/** `npm run simulate`: the command line. */
import { Command, InvalidArgumentError, Option } from "commander"
import { execFileSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { fill } from "../harness/page.js"
import { type Scale, type Scenario, simulate } from "./fleet.js"
import type { Outcome } from "./outcome.js"
import { failures, report } from "./report.js"
import { scenarios } from "./scenarios.js"

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const results = file("../results/simulation.json")
const page = file("../../docs/fleet-simulation.md")

const whole = (text: string): number => {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < 1 || value > 0x7fff_ffff) {
    throw new InvalidArgumentError("It has to be a whole number above 0.")
  }
  return value
}

interface Options extends Scale {
  readonly scenario: ReadonlyArray<string>
  readonly variant?: ReadonlyArray<string>
  readonly publish?: true
}

const command = new Command("npm run simulate --")
  .description("Runs ten thousand pools of ten sessions each, in simulated time, through what happens to their servers.")
  .addOption(
    new Option("--scenario <names...>", "what happens").choices(scenarios.map(({ name }) => name))
      .default(scenarios.map(({ name }) => name), "all")
  )
  .option("--variant <names...>", "only the variants whose names contain one of these")
  .option("--pools <n>", "how many; the backend shrinks with them", whole, 10_000)
  .option("--seed <n>", "the same seed gives the same run", whole, 1)
  .option("--publish", "draws the charts, and puts the tables into docs/fleet-simulation.md")

const { pools, publish, scenario: chosen, seed, variant } = command.parse().opts<Options>()
if (publish === true && (chosen.length < scenarios.length || variant !== undefined)) {
  command.error("error: --publish is for all scenarios and variants")
}

interface Run {
  readonly scenario: Scenario
  readonly outcomes: ReadonlyArray<Outcome>
}

const run = (scenario: Scenario): Run => {
  const variants = scenario.variants.filter(({ name }) => variant?.some((part) => name.includes(part)) ?? true)
  const start = performance.now()
  const outcomes = variants.map((variant) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${scenario.name}: ${variant.name}`)
    return simulate(scenario, variant, { pools, seed })
  })
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[2K")
  const seconds = Math.round((performance.now() - start) / 1_000)
  const events = outcomes.reduce((sum, { figures }) => sum + figures.events, 0)
  console.log(`## ${scenario.title}\n\n${scenario.words}\n\n${report(scenario, outcomes)}\n\n${failures(outcomes)}\n`)
  const megabytes = Math.round(process.memoryUsage().rss / 2 ** 20)
  console.log(`${events.toLocaleString("en")} events in ${seconds} s; ${megabytes} MB\n`)
  return { scenario, outcomes }
}

/** A line for each run, so that changes can be read. */
const toJson = (runs: ReadonlyArray<Run>): string => {
  const lines = runs.flatMap(({ outcomes }) => outcomes).map((outcome) => JSON.stringify(outcome))
  return `{ "pools": ${pools}, "seed": ${seed}, "outcomes": [\n${lines.join(",\n")}\n] }\n`
}

const section = ({ outcomes, scenario }: Run): string => {
  const chart = `../benchmark/results/simulation-${scenario.name}`
  return `### ${scenario.title}

${scenario.words}

<picture>
  <source media="(prefers-color-scheme: dark)" srcset="${chart}-dark.svg">
  <img src="${chart}-light.svg" width="760" alt="${scenario.title}: dials and borrowers served over time; the figures are in the table">
</picture>

${report(scenario, outcomes)}
`
}

const runs = scenarios.filter(({ name }) => chosen.includes(name)).map(run)
if (publish === true) {
  const { draw } = await import("./chart.js")
  const { themes } = await import("../harness/chart.js")
  writeFileSync(results, toJson(runs))
  for (const { outcomes, scenario } of runs) {
    for (const [name, theme] of Object.entries(themes)) {
      writeFileSync(
        results.replace(/\.json$/, `-${scenario.name}-${name}.svg`),
        draw(scenario, outcomes, theme)
      )
    }
  }
  const date = new Date().toISOString().slice(0, 10)
  const words = `${date}; ${pools.toLocaleString("en")} pools, seed ${seed}.`
  writeFileSync(page, fill(readFileSync(page, "utf8"), "## Results", words, runs.map(section).join("\n")))
  execFileSync("npx", ["dprint", "fmt", page])
}
