/** `npm run simulate`: the command line. */
import { Command, InvalidArgumentError, Option } from "commander"
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { themes } from "../harness/chart.js"
import { fill } from "../harness/page.js"
import { draw } from "./chart.js"
import { simulate } from "./fleet.js"
import type { Outcome } from "./outcome.js"
import { failures, report } from "./report.js"
import type { Scale, Scenario } from "./scenario.js"
import { scenarios } from "./scenarios.js"

const results = fileURLToPath(new URL("../results", import.meta.url))
const page = fileURLToPath(new URL("../../docs/fleet-simulation.md", import.meta.url))

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

const names = scenarios.map(({ name }) => name)

const command = new Command("npm run simulate --")
  .description("Runs a fleet of pools, in simulated time, through what happens to its servers.")
  .addOption(new Option("--scenario <names...>", "what happens").choices(names).default(names, "all"))
  .option("--variant <names...>", "only the variants whose names contain one of these")
  .option("--pools <n>", "how many, of ten sessions each; the backend shrinks with them", whole, 10_000)
  .option("--seed <n>", "the same seed gives the same run", whole, 1)
  .option("--publish", "puts the runs into benchmark/results, with charts, and into docs/fleet-simulation.md")

const { pools, publish: publishes, scenario: chosen, seed, variant } = command.parse().opts<Options>()

interface Run {
  readonly scenario: Scenario
  readonly outcomes: ReadonlyArray<Outcome>
}

const show = (progress: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${progress}`)
}

const run = (scenario: Scenario): Run => {
  const variants = scenario.variants.filter(({ name }) => variant?.some((part) => name.includes(part)) ?? true)
  const start = performance.now()
  const outcomes = variants.map((variant) => {
    show(`${scenario.name}: ${variant.name}`)
    return simulate(scenario, variant, { pools, seed })
  })
  show("")
  const seconds = Math.round((performance.now() - start) / 1_000)
  const events = outcomes.reduce((sum, { figures }) => sum + figures.events, 0)
  const megabytes = Math.round(process.memoryUsage().rss / 2 ** 20)
  console.log(
    `## ${scenario.title}\n\n${scenario.words}\n\n${report(scenario, outcomes)}\n\n${failures(outcomes)}\n\n` +
      `${events.toLocaleString("en")} events in ${seconds} s; ${megabytes} MB\n`
  )
  return { scenario, outcomes }
}

// --- publishing

const fileOf = ({ name }: Scenario): string => `${results}/simulation-${name}.json`

/** What was published of the scenario, for fleets like this one. */
const published = (scenario: Scenario): ReadonlyArray<Outcome> => {
  if (!existsSync(fileOf(scenario))) return []
  const file = JSON.parse(readFileSync(fileOf(scenario), "utf8"))
  return file.pools === pools && file.seed === seed ? file.outcomes : []
}

const publish = ({ outcomes, scenario }: Run): void => {
  const known = new Map([...published(scenario), ...outcomes].map((outcome) => [outcome.variant, outcome]))
  const all = scenario.variants.flatMap(({ name }) => known.get(name) ?? [])
  // a line for each, so that changes can be read
  const lines = all.map((outcome) => JSON.stringify(outcome)).join(",\n")
  writeFileSync(fileOf(scenario), `{ "pools": ${pools}, "seed": ${seed}, "outcomes": [\n${lines}\n] }\n`)
  for (const [name, theme] of Object.entries(themes)) {
    writeFileSync(fileOf(scenario).replace(/\.json$/, `-${name}.svg`), draw(scenario, all, theme))
  }
}

const section = (scenario: Scenario): ReadonlyArray<string> => {
  const outcomes = published(scenario)
  const chart = `../benchmark/results/simulation-${scenario.name}`
  return outcomes.length === 0 ? [] : [`### ${scenario.title}

${scenario.words}

<picture>
  <source media="(prefers-color-scheme: dark)" srcset="${chart}-dark.svg">
  <img src="${chart}-light.svg" width="760" alt="${scenario.title}: dials, and borrowers served; the table has the figures">
</picture>

${report(scenario, outcomes)}
`]
}

const fillPage = (): void => {
  const words = `${new Date().toISOString().slice(0, 10)}; ${pools.toLocaleString("en")} pools, seed ${seed}.`
  const tables = scenarios.flatMap(section).join("\n")
  writeFileSync(page, fill(readFileSync(page, "utf8"), "## Results", words, tables))
  execFileSync("npx", ["dprint", "fmt", page])
}

for (const scenario of scenarios.filter(({ name }) => chosen.includes(name))) {
  const done = run(scenario)
  if (publishes === true) publish(done)
}
if (publishes === true) fillPage()
