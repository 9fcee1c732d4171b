/** The parent process: starts one child process per contestant, case and round. */
import { build, type Plugin } from "esbuild"
import { fork } from "node:child_process"
import { rmSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { type Entry, type Figures, type Fixture, type Group, Results, type Settings, type Suite } from "./model.js"

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))
// only for this run: another run, of other sources, may be under way
const child = file(`../../node_modules/.cache/effect-pools/benchmark/child.${process.pid}.mjs`)

/** What `#effect/*`, `#test/*` and `effect` mean with Effect 4. With Effect 3, tsconfig.json and node_modules say it. */
const onEffect4: Plugin = {
  name: "effect4",
  setup(build) {
    const dialect = (filter: RegExp, folder: string) =>
      build.onResolve({ filter }, ({ path }) => ({ path: file(`../../${folder}/effect4/${path.split("/")[1]}.ts`) }))
    dialect(/^#effect\//, "src/internal")
    dialect(/^#test\//, "test/support")
    const resolveDir = file("../../effect4")
    build.onResolve(
      { filter: /^effect(\/|$)/ },
      ({ kind, path, resolveDir: from }) => from === resolveDir ? undefined : build.resolve(path, { kind, resolveDir })
    )
  }
}

/**
 * Bundles the benchmark, `src` and the peers, so that a child process starts fast and runs the same code as a build: the
 * parent's loader wraps every closure to keep its name. The bundle is removed when the process ends.
 */
export const bundle = ({ child: main, effect }: Suite) => {
  process.once("exit", () => rmSync(child, { force: true }))
  return build({
    entryPoints: [file(`../${main}`)],
    outfile: child,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    // this package looks for its native package next to itself
    external: ["@fails-components/*"],
    plugins: effect === 4 ? [onEffect4] : [],
    // for peers that are CommonJS
    banner: {
      js: `import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url)`
    }
  })
}

const execArgv = [
  "--expose-gc",
  // the default maximum from the start, so that no sample pays for its growth
  "--min-semi-space-size=16",
  // for pools of 100,000 items and as many fibers
  "--max-old-space-size=4096"
]

const measure = (
  suite: Suite,
  group: Group,
  index: number,
  entry: Entry,
  settings: Settings,
  fixture: Fixture | undefined
) =>
  new Promise<Figures | undefined>((resolve, reject) => {
    const args = [suite.name, group.name, String(index), JSON.stringify(settings)]
    const env = { ...process.env, ...fixture?.env }
    const { execArgv: more = [], execPath = process.execPath } = suite.runtime ?? {}
    const forked = fork(child, args, { execPath, execArgv: [...execArgv, ...more], env, serialization: "advanced" })
    let figures: Figures | undefined
    let isGivenUp = false
    const timer = setTimeout(() => {
      isGivenUp = true
      forked.kill("SIGKILL")
    }, entry.limit * 1_000)
    forked.on("message", (message) => {
      figures = message as Figures
    })
    forked.on("error", reject)
    forked.on("exit", (code) => {
      clearTimeout(timer)
      if (figures !== undefined || isGivenUp) resolve(figures)
      else reject(new Error(`${group.name}, ${entry.peer}: ended with code ${code} and without a result`))
    })
  })

/**
 * Runs round by round, so that a machine that becomes slower or faster does so for all contestants; every other round
 * backwards, so that no contestant always comes after the same one.
 */
export const run = async (
  suite: Suite,
  group: Group,
  settings: Settings,
  results: Results,
  onProgress: (text: string) => void
): Promise<void> => {
  const entries = [...group.entries(settings).entries()]
  if (entries.length === 0) return
  const fixture = await group.start?.()
  try {
    for (let round = 0; round < settings.rounds; round++) {
      for (const [index, entry] of round % 2 === 0 ? entries : entries.toReversed()) {
        if (round >= (entry.rounds ?? Infinity) || results.limit(group.name, entry.peer, entry.at) !== undefined) {
          continue
        }
        const at = entry.at === undefined ? "" : ` at ${entry.at}`
        onProgress(`${group.name}, round ${round + 1} of ${settings.rounds}: ${entry.peer}${at}`)
        const figures = await measure(suite, group, index, entry, settings, fixture)
        if (figures === undefined) results.giveUp(group.name, entry)
        else results.add(group.name, entry, figures)
      }
    }
  } finally {
    await fixture?.stop()
  }
}
