/** Bundles the main of a process that tests start again and again: it then starts in a quarter of the time. */
import { major } from "#test/major"
import { build, type BuildOptions, type Plugin } from "esbuild"
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))
const cache = join(root, "node_modules/.cache/effect-pools/test")
const sources = ["src", "test/support", "examples/support"]

/** Another text after every change of the sources, or of the installed packages. */
const stateOfSources = (): string => {
  const hash = createHash("sha256")
  const add = (file: string) => {
    const { mtimeMs, size } = statSync(join(root, file))
    hash.update(`${file} ${mtimeMs} ${size}\n`)
  }
  for (const folder of sources) {
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })) {
      if (name.endsWith(".ts")) add(join(folder, name))
    }
  }
  add("package-lock.json")
  return hash.digest("hex").slice(0, 16)
}

/** Writes the bundle that is missing, in one step: other processes may want the same one. */
const write = async (outfile: string, options: BuildOptions): Promise<void> => {
  const unfinished = `${outfile}.${process.pid}`
  await build({ ...options, outfile: unfinished, bundle: true, platform: "node", format: "esm", target: "node20" })
  renameSync(unfinished, outfile)
}

/** The package of HTTP/3 consists of TypeScript, too; its native part stays where it is. */
const moq = (outfile: string): Promise<void> => {
  const native: Plugin = {
    name: "native",
    setup: (build) =>
      build.onResolve({ filter: /napi\.cjs$/ }, () => ({
        path: join(root, "node_modules/@moq/web-transport/napi.cjs"),
        external: true
      }))
  }
  return write(outfile, {
    entryPoints: [join(root, "node_modules/@moq/web-transport/src/index.ts")],
    plugins: [native]
  })
}

/** Whoever loads the package of HTTP/3 gets its bundle. */
const withMoq = (bundled: string): Plugin => ({
  name: "moq",
  setup: (build) =>
    build.onLoad({ filter: /\/moq(\/listen)?\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replace("import(name)", `import(${JSON.stringify(bundled)})`),
      loader: "ts"
    }))
})

/** A younger file may be in use by a run that began before the last change. */
const isOld = (file: string): boolean => {
  const { mtimeMs = Infinity } = statSync(file, { throwIfNoEntry: false }) ?? {}
  return mtimeMs < Date.now() - 60 * 60 * 1000
}

/** The bundle of a TypeScript file with `src`, and with Effect of this project's major. It is kept for later runs. */
export const bundle = async (file: string): Promise<string> => {
  const state = stateOfSources()
  const name = `${basename(file, ".ts")}.${major}`
  const outfile = join(cache, `${name}.${state}.mjs`)
  if (existsSync(outfile)) return outfile
  const bundledMoq = join(cache, `${name}.${state}.moq.mjs`)
  await moq(bundledMoq)
  await write(outfile, {
    entryPoints: [file],
    tsconfig: join(root, major === "effect3" ? "tsconfig.json" : "test/support/effect4/tsx.json"),
    // the first looks for files next to itself, the second is needed on demand
    external: ["@fails-components/*", "selfsigned", bundledMoq],
    plugins: [withMoq(bundledMoq)]
  })
  for (const old of readdirSync(cache)) {
    if (old.startsWith(`${name}.`) && isOld(join(cache, old))) rmSync(join(cache, old), { force: true })
  }
  return outfile
}
