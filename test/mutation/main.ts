/**
 * Measures the tests of a room by mutation: makes one small change in its source, runs its tests, and prints each change
 * that no test notices.
 *
 *     npm run mutate -- core/pool [--tests test/core/pool] [--sample 200] [--seed 1] [--jobs 1] [--record outcomes]
 *
 * A room is a folder or a file under `src/internal`; its tests are those under the same path of `test`, and those that are
 * `elsewhere`. Each mutant runs twice at most: with few generated cases and explored states (`FC_RUNS`, `EXPLORE_STATES`),
 * and, if it survives, with as many as in CI. Survivors that change no behaviour are listed, with the reason, in a file named
 * after the room, beside this one. A run that was stopped continues with the same `--record`; so does a run after new tests,
 * with the mutants that survived.
 */
import { Command } from "commander"
import { build } from "esbuild"
import { type ChildProcess, fork } from "node:child_process"
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { relative, resolve } from "node:path"
import { randomOf } from "../support/randomOf.js"
import { Bundler } from "./bundler.js"
import { type Mutant, mutantsOf } from "./mutants.js"
import type { Result, Task, TestLimit } from "./runner.js"

interface Equivalent {
  readonly file: string
  readonly within: string
  readonly from: string
  readonly to: string
  readonly why: string
}

type Status = "killed" | "out of time" | "survived"

const root = resolve(import.meta.dirname, "../..")
const cache = resolve(root, "node_modules/.cache/effect-pools-mutation")

const program = new Command()
  .argument("<room>", "a folder or file under src/internal, as core/pool")
  .option("--tests <path>", "a folder or file of tests")
  .option("--sample <count>", "how many mutants, chosen by the seed; all without it", Number)
  .option("--seed <seed>", "chooses the sample and the generated cases", Number, 1)
  .option("--jobs <count>", "how many at a time", Number, 1)
  .option("--quick", "only with few generated cases")
  .option("--record <file>", "notes the outcomes there; mutants that were killed according to it do not run again")
  .parse()
const room = program.args[0]!
const { jobs, quick, record, sample, seed, tests } = program.opts<{
  tests?: string
  sample?: number
  seed: number
  jobs: number
  quick?: true
  record?: string
}>()

const filesUnder = (path: string, ending: string): Array<string> => {
  if (!existsSync(path)) return []
  if (statSync(path).isFile()) return [path]
  const names = readdirSync(path, { recursive: true, encoding: "utf8" })
  return names.filter((name) => name.endsWith(ending)).sort().map((name) => resolve(path, name))
}

const sources = filesUnder(resolve(root, "src/internal", room), ".ts")
/** Tests of a room that are elsewhere. */
const elsewhere: Record<string, ReadonlyArray<string>> = {
  "core/recycling": ["test/recycling/recyclingPools.model.test.ts"]
}
const testPaths = tests === undefined ? [`test/${room}`, ...elsewhere[room] ?? []] : [tests]
const testFiles = testPaths.flatMap((path) => filesUnder(resolve(root, path), ".test.ts"))
if (sources.length === 0 || testFiles.length === 0) {
  program.error(`${room}: ${sources.length} source file(s) and ${testFiles.length} test file(s)`)
}

const listed = resolve(import.meta.dirname, `${room.replaceAll("/", "-").replace(/\.ts$/, "")}.json`)
const equivalents: ReadonlyArray<Equivalent> = existsSync(listed) ? JSON.parse(readFileSync(listed, "utf8")) : []
const keyOf = ({ file, from, to, within }: Omit<Equivalent, "why">): string => [file, within, from, to].join("\n")
const listedKeys = new Set(equivalents.map(keyOf))
const isListed = (mutant: Mutant): boolean => listedKeys.has(keyOf(mutant))

/** In the order in which they are drawn, so that a run that is stopped has judged a sample. */
const choose = (mutants: ReadonlyArray<Mutant>): ReadonlyArray<Mutant> => {
  const next = randomOf(seed)
  const drawn = mutants.map((mutant) => ({ mutant, draw: next() })).sort((a, b) => a.draw - b.draw)
  return drawn.slice(0, sample).map(({ mutant }) => mutant)
}

// as JavaScript: a loader of TypeScript would compile all bundles anew
const runnerFile = resolve(cache, "runner.mjs")

/** Runs one bundle after another, in a process that is replaced when a mutant ends it, or by a fresh one from time to time. */
class Runner {
  private child: ChildProcess | undefined = undefined
  private runs = 0

  run(task: Task): Promise<Result | "out of time"> {
    // the modules of all bundles stay in memory
    if (++this.runs % 100 === 0) this.stop()
    const child = this.child ??= fork(runnerFile, { cwd: root, silent: true, execArgv: [] })
    return new Promise((done) => {
      // a mutant that waits for ever uses no processor
      const timer = setTimeout(() => this.stop(), 1_800_000)
      const end = (result: Result | "out of time") => {
        clearTimeout(timer)
        child.removeAllListeners()
        done(result)
      }
      child.on("message", end)
      child.on("exit", () => {
        this.child = undefined
        end("out of time")
      })
      child.send(task)
    })
  }

  stop(): void {
    this.child?.kill("SIGKILL")
    this.child = undefined
  }
}

const few = { FC_RUNS: "60", FC_SEED: String(seed), EXPLORE_STATES: "50" }
const many = { FC_RUNS: undefined, FC_SEED: String(seed), EXPLORE_STATES: undefined }

const bundler = new Bundler(root, testFiles)
rmSync(cache, { recursive: true, force: true })
mkdirSync(cache, { recursive: true })

const bundleOf = async (name: string, mutant: Mutant | undefined): Promise<string> => {
  const path = resolve(cache, `${name}.mjs`)
  writeFileSync(path, await bundler.bundle(mutant === undefined ? undefined : { file: mutant.path, text: mutant.text }))
  return path
}

await build({
  entryPoints: [resolve(import.meta.dirname, "runner.ts")],
  outfile: runnerFile,
  format: "esm",
  platform: "node"
})
const unchanged = await bundleOf("unchanged", undefined)
/** For each environment: the tests, the shortest first. */
const rounds: Array<{ readonly env: Task["env"]; readonly tests: ReadonlyArray<TestLimit> }> = []
const first = new Runner()
for (const env of quick ? [few] : [few, many]) {
  const result = await first.run({ bundle: unchanged, env, tests: undefined })
  if (result === "out of time" || result.failure !== undefined) {
    throw new Error(`the tests fail without a mutant: ${result === "out of time" ? result : result.failure}`)
  }
  const tests = result.spent.map((millis, number) => ({ number, limit: 2_000 + 5 * millis }))
  rounds.push({ env, tests: tests.sort((a, b) => a.limit - b.limit) })
}
first.stop()
const all = sources.flatMap((path) => mutantsOf(path, relative(root, path)))
const mutants = choose(all.filter((mutant) => !isListed(mutant)))
console.log(
  `${mutants.length} of ${all.length} mutants of ${sources.length} files, ${
    all.filter(isListed).length
  } of them listed as equivalent; ` +
    `tests: ${testFiles.map((path) => relative(root, path)).join(", ")}`
)

const judge = async (mutant: Mutant, name: string, runner: Runner): Promise<Status> => {
  let bundle: string
  try {
    bundle = await bundleOf(name, mutant)
  } catch {
    // the mutant does not compile
    return "killed"
  }
  for (const { env, tests } of rounds) {
    const result = await runner.run({ bundle, env, tests })
    if (result === "out of time") return result
    if (result.failure !== undefined) return "killed"
  }
  return "survived"
}

const recorded = new Set(record !== undefined && existsSync(record) ? readFileSync(record, "utf8").split("\n") : [])
const lineOf = (status: Status, { file, from, line, to }: Mutant): string =>
  [status, `${file}:${line}`, from, to].join("\t")
const judgeOnce = async (mutant: Mutant, name: string, runner: Runner): Promise<Status> => {
  for (const status of ["killed", "out of time"] as const) if (recorded.has(lineOf(status, mutant))) return status
  const status = await judge(mutant, name, runner)
  if (record !== undefined) appendFileSync(record, `${lineOf(status, mutant)}\n`)
  return status
}

const survivors: Array<Mutant> = []
const counts = { killed: 0, "out of time": 0, survived: 0 }
const queue = mutants.entries()
await Promise.all(Array.from({ length: jobs }, async (_, job) => {
  const runner = new Runner()
  for (const [index, mutant] of queue) {
    const status = await judgeOnce(mutant, `job${job}`, runner)
    counts[status]++
    if (status === "survived") {
      survivors.push(mutant)
      console.log(`survived: ${mutant.file}:${mutant.line} ${mutant.within}\n  - ${mutant.from}\n  + ${mutant.to}`)
    }
    if ((index + 1) % 50 === 0) console.log(`${index + 1} done`)
  }
  runner.stop()
}))

const share = (100 * survivors.length / Math.max(1, mutants.length)).toFixed(1)
console.log(`${counts.killed} killed, ${counts["out of time"]} out of time, ${survivors.length} survived (${share} %)`)
process.exitCode = Number(share) > 5 ? 1 : 0
