/** `npm run bench -- <suite>`: the command line. */
import { execFileSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { cpus, loadavg } from "node:os"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { requirementTable } from "./harness/format.js"
import { isMet, Results, type Settings, type Suite } from "./harness/model.js"
import { fill } from "./harness/page.js"
import { bundle, run } from "./harness/run.js"
import { suites } from "./suites.js"

const usage = `npm run bench -- <suite> [--effect 4] [--quick] [--cpu] [--strict] [--only <group>] [--json <file>]
npm run bench -- <suite> [--effect 4] --publish
npm run bench -- chart <file>…

Suites:
${
  suites.map(({ effect, groups, name, title }) =>
    `  ${name}${effect === 4 ? " --effect 4" : ""}  ${title} (${groups.map(({ name }) => name).join(", ")})`
  ).join("\n")
}

  --effect 4      on Effect 4
  --quick         a smoke run of a minute at most; its figures are rough
  --cpu           processor time instead of wall time, for a machine that does other things meanwhile
  --strict        exit code 1 if a requirement is not met
  --only <group>  only that group of the suite; may be repeated
  --json <file>   write every sample to a file
  --publish       put a whole run into the page: benchmark/results, its charts, and the tables of benchmark/README.md

\`chart\` draws such files: beside results.json come results-light.svg and results-dark.svg.
`

const suiteOf = (name: string | undefined, effect: number): Suite | undefined =>
  suites.find((suite) => suite.name === name && suite.effect === effect)

interface Options {
  readonly quick: boolean
  readonly cpu: boolean
  readonly only: ReadonlyArray<string>
  readonly json?: string | undefined
}

const settingsOf = ({ cpu, quick }: Options): Settings => ({
  quick,
  clock: cpu ? "cpu" : "wall",
  ...(quick
    ? { rounds: 1, samples: 3, sampleMillis: 10, warmupMillis: 50 }
    : { rounds: 5, samples: 5, sampleMillis: 50, warmupMillis: 400 })
})

const versionOf = (effect: Suite["effect"]) => (name: string): string => {
  const folder = name === "effect" && effect === 4 ? "effect4/node_modules" : "node_modules"
  const manifest = new URL(`../${folder}/${name}/package.json`, import.meta.url)
  return `${name} ${JSON.parse(readFileSync(manifest, "utf8")).version}`
}

const load = () => loadavg().map((average) => average.toFixed(2)).join(" ")

const onProgress = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${text}`)
}

const benchmark = async (suite: Suite, options: Options): Promise<boolean> => {
  const settings = settingsOf(options)
  const groups = suite.groups.filter(({ name }) => options.only.length === 0 || options.only.includes(name))
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, ${process.platform} ${process.arch}`
  const versions = [`Node ${process.versions.node}`, ...suite.packages.map(versionOf(suite.effect))]
  const date = new Date().toISOString().slice(0, 10)
  const loadBefore = load()
  console.log(
    `# ${suite.title}\n\n${date}; ${machine}; ${versions.join(", ")}; ${settings.clock} time; load ${loadBefore}\n`
  )

  const start = performance.now()
  const results = new Results()
  await bundle(suite)
  for (const group of groups) {
    await run(suite, group, settings, results, onProgress)
    onProgress("")
    console.log(`## ${group.title}\n\n${group.report(results).join("\n\n")}\n`)
  }
  const requirements = groups.flatMap((group) => group.requirements(results))
  console.log(`## What is required\n\n${requirementTable(requirements)}\n`)
  const seconds = Math.round((performance.now() - start) / 1000)
  const loadAfter = load()
  console.log(`${seconds} s; load ${loadAfter}`)

  if (options.json !== undefined) {
    const verdicts = requirements.map((requirement) => ({ ...requirement, met: isMet(requirement) }))
    const document = {
      suite: suite.name,
      effect: suite.effect,
      date,
      machine,
      versions,
      loadBefore,
      loadAfter,
      seconds,
      settings,
      requirements: verdicts,
      results
    }
    writeFileSync(options.json, JSON.stringify(document, undefined, 2) + "\n")
  }
  return requirements.every((requirement) => isMet(requirement) !== false)
}

const drawChart = async (file: string): Promise<void> => {
  const { draw, themes } = await import("./harness/chart.js")
  const { effect, results, suite } = JSON.parse(readFileSync(file, "utf8"))
  const groups = suiteOf(suite, effect)?.groups ?? []
  const charts = groups.flatMap(({ charts }) => charts?.(Results.fromJSON(results)) ?? [])
  for (const [name, theme] of Object.entries(themes)) {
    writeFileSync(`${file.replace(/\.json$/, "")}-${name}.svg`, draw(charts, theme))
  }
}

const nameOf = ({ effect, name }: Suite): string => effect === 4 ? `${name} --effect 4` : name

const page = fileURLToPath(new URL("README.md", import.meta.url))

/** The tables of a whole run, for its part of the page. */
const fillPage = (file: string, suite: Suite): void => {
  const { date, loadAfter, loadBefore, machine, results: json, seconds, settings, versions } = JSON.parse(
    readFileSync(file, "utf8")
  )
  const results = Results.fromJSON(json)
  const run =
    `${date}; ${machine}; ${versions.join(", ")}; ${settings.clock} time; one whole run of ${seconds} s, load ` +
    `${loadBefore} before it and ${loadAfter} after it.`
  const name = `\`${nameOf(suite)}\``
  const requirements = suite.groups.flatMap((group) => group.requirements(results))
  const tables = [
    ...suite.groups.map((group) => `### ${group.title}\n\n${group.report(results).join("\n\n")}\n`),
    `### What is required of ${name}\n\n${requirementTable(requirements)}\n`
  ].join("\n")
  writeFileSync(page, fill(readFileSync(page, "utf8"), `## Results of ${name}`, run, tables))
  execFileSync("npx", ["dprint", "fmt", page])
}

const publish = async (suite: Suite, options: Options): Promise<boolean> => {
  const file = fileURLToPath(
    new URL(`results/${nameOf(suite).replace(" --", "-").replace(" ", "-")}.json`, import.meta.url)
  )
  const isMetInAll = await benchmark(suite, { ...options, json: file })
  await drawChart(file)
  fillPage(file, suite)
  return isMetInAll
}

// so that the handlers of the exit run
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1))

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    effect: { type: "string", default: "3" },
    quick: { type: "boolean", default: false },
    cpu: { type: "boolean", default: false },
    strict: { type: "boolean", default: false },
    only: { type: "string", multiple: true, default: [] },
    json: { type: "string" },
    publish: { type: "boolean", default: false }
  }
})
const suite = suiteOf(positionals[0], Number(values.effect))
const problem = suite?.runtime?.problem?.()
if (positionals[0] === "chart" && positionals.length > 1) {
  for (const file of positionals.slice(1)) await drawChart(file)
} else if (suite === undefined) {
  console.log(usage)
  if (positionals.length > 0) process.exitCode = 2
} else if (values.publish && (values.quick || values.only.length > 0)) {
  console.error("--publish is for whole runs, without --quick and --only")
  process.exitCode = 2
} else if (problem !== undefined) {
  console.error(`The suite ${suite.name} cannot run on this machine: ${problem}`)
  process.exitCode = 1
} else {
  const isMetInAll = await (values.publish ? publish : benchmark)(suite, values)
  if (values.strict && !isMetInAll) process.exitCode = 1
}
