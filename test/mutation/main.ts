/**
 * Measures the tests of a room by mutation: makes one small change in its source, runs its tests, and prints each change
 * that no test notices.
 *
 *     npm run mutate -- core/pool [--tests test/core/pool] [--sample 200] [--seed 1] [--jobs 1]
 *
 * A room is a folder or a file under `src/internal`; its tests are those under the same path of `test`. Each mutant runs
 * twice at most: with few generated cases and explored states (`FC_RUNS`, `EXPLORE_STATES`), and, if it survives, with as many as in CI. Survivors that
 * change no behaviour are listed, with the reason, in a file named after the room, beside this one.
 */
import { Command } from "commander"
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { relative, resolve } from "node:path"
import { Bundler } from "./bundler.js"
import { type Mutant, mutantsOf } from "./mutants.js"

interface Equivalent {
  readonly file: string
  readonly within: string
  readonly from: string
  readonly to: string
  readonly why: string
}

interface Outcome {
  readonly status: "killed" | "out of time" | "survived"
  readonly output: string
}

const root = resolve(import.meta.dirname, "../..")
const cache = resolve(root, "node_modules/.cache/effect-pools-mutation")

const program = new Command()
  .argument("<room>", "a folder or file under src/internal, as core/pool")
  .option("--tests <path>", "a folder or file of tests")
  .option("--sample <count>", "how many mutants, chosen by the seed; all without it", Number)
  .option("--seed <seed>", "chooses the sample and the generated cases", Number, 1)
  .option("--jobs <count>", "how many at a time", Number, 1)
  .option("--quick", "only with few generated cases")
  .parse()
const room = program.args[0]!
const { jobs, quick, sample, seed, tests } = program.opts<{
  tests?: string
  sample?: number
  seed: number
  jobs: number
  quick?: true
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

/** A small generator of pseudo-random numbers in [0, 1) (mulberry32). */
const numbers = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

const choose = (mutants: Array<Mutant>): ReadonlyArray<Mutant> => {
  if (sample === undefined || sample >= mutants.length) return mutants
  const next = numbers(seed)
  const drawn = mutants.map((mutant, index) => ({ mutant, index, draw: next() }))
  return drawn.sort((a, b) => a.draw - b.draw).slice(0, sample).sort((a, b) => a.index - b.index).map(({ mutant }) =>
    mutant
  )
}

/** A limit of processor time, since a busy machine must not kill a mutant. */
const run = (
  bundle: string,
  env: Record<string, string>,
  seconds: number
): Promise<Outcome & { readonly spent: number }> =>
  new Promise((done) => {
    const child = spawn("sh", ["-c", `ulimit -t ${Math.ceil(seconds)}; exec node "$0"`, bundle], {
      cwd: root,
      env: { ...process.env, ...env }
    })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => output += chunk)
    // a mutant that waits for ever uses no processor
    const timer = setTimeout(() => child.kill("SIGKILL"), seconds * 20_000)
    child.on("close", (code, signal) => {
      clearTimeout(timer)
      const status = signal !== null || code === 137 || code === 152
        ? "out of time"
        : code === 0
        ? "survived"
        : "killed"
      done({ status, output, spent: Number(/spent (\d+)/.exec(output)?.[1] ?? 0) / 1000 })
    })
  })

const few = { FC_RUNS: "100", FC_SEED: String(seed), EXPLORE_STATES: "300" }
const many = { FC_SEED: String(seed) }

const bundler = new Bundler(root, testFiles)
rmSync(cache, { recursive: true, force: true })
mkdirSync(cache, { recursive: true })

const bundleOf = async (name: string, mutant: Mutant | undefined): Promise<string> => {
  const path = resolve(cache, `${name}.mjs`)
  writeFileSync(path, await bundler.bundle(mutant === undefined ? undefined : { file: mutant.path, text: mutant.text }))
  return path
}

const unchanged = await bundleOf("unchanged", undefined)
const limits: Array<number> = []
for (const env of quick ? [few] : [few, many]) {
  const { output, spent, status } = await run(unchanged, env, 300)
  if (status !== "survived") {
    console.error(output)
    program.error(`the tests fail without a mutant (${status})`)
  }
  limits.push(5 + 5 * spent)
}
const all = sources.flatMap((path) => mutantsOf(path, relative(root, path)))
const mutants = choose(all.filter((mutant) => !isListed(mutant)))
console.log(
  `${mutants.length} of ${all.length} mutants of ${sources.length} files, ${
    all.filter(isListed).length
  } of them listed as equivalent; ` +
    `limits of ${limits.map((limit) => `${Math.ceil(limit)} s`).join(" and ")}; ` +
    `tests: ${testFiles.map((path) => relative(root, path)).join(", ")}`
)

const judge = async (mutant: Mutant, name: string): Promise<Outcome> => {
  let bundle: string
  try {
    bundle = await bundleOf(name, mutant)
  } catch (error) {
    // the mutant does not compile
    return { status: "killed", output: String(error) }
  }
  const first = await run(bundle, few, limits[0]!)
  return first.status !== "survived" || quick ? first : run(bundle, many, limits[1]!)
}

const survivors: Array<Mutant> = []
const counts = { killed: 0, "out of time": 0, survived: 0 }
const queue = mutants.entries()
await Promise.all(Array.from({ length: jobs }, async (_, job) => {
  for (const [index, mutant] of queue) {
    const { status } = await judge(mutant, `job${job}`)
    counts[status]++
    if (status === "survived") {
      survivors.push(mutant)
      console.log(`survived: ${mutant.file}:${mutant.line} ${mutant.within}\n  - ${mutant.from}\n  + ${mutant.to}`)
    }
    if ((index + 1) % 50 === 0) console.log(`${index + 1} done`)
  }
}))

const share = (100 * survivors.length / Math.max(1, mutants.length)).toFixed(1)
console.log(`${counts.killed} killed, ${counts["out of time"]} out of time, ${survivors.length} survived (${share} %)`)
process.exitCode = Number(share) > 5 ? 1 : 0
