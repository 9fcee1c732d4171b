/** Bundles test files into one module that runs without vitest: to start vitest for each mutant takes longer than the tests. */
import { build, type Plugin } from "esbuild"
import { existsSync } from "node:fs"
import { resolve } from "node:path"

/** The part of vitest that the tests of a room use. The module exports the tests. */
const vitest = `
import * as chai from "chai"
import * as fastCheck from "fast-check"
// a failing property is enough; finding the shortest failing case takes long
fastCheck.configureGlobal({ endOnFailure: true })
export const { assert, expect } = chai
export const tests = []
const add = (name, a, b) => {
  const body = typeof a === "function" ? a : b
  const run = async () => {
    const ends = []
    await body({ task: { name }, signal: new AbortController().signal, onTestFinished: (end) => ends.push(end), onTestFailed: nothing, expect })
    for (const end of ends) await end()
  }
  tests.push({ name, run })
}
const nothing = () => {}
export const it = Object.assign((...args) => add(...args), {
  skip: nothing,
  todo: nothing,
  only: add,
  skipIf: (left) => left ? nothing : add,
  runIf: (runs) => runs ? add : nothing,
  each: (cases) => (name, a, b) => {
    const body = typeof a === "function" ? a : b
    for (const one of cases) add(name, () => Array.isArray(one) ? body(...one) : body(one))
  },
  for: (cases) => (name, a, b) => {
    const body = typeof a === "function" ? a : b
    for (const one of cases) add(name, (context) => body(one, context))
  }
})
export const test = it
const group = (name, a, b) => (typeof a === "function" ? a : b)()
export const describe = Object.assign(group, {
  skip: nothing,
  skipIf: (left) => left ? nothing : group,
  runIf: (runs) => runs ? group : nothing,
  each: (cases) => (name, a) => cases.forEach((one) => a(one))
})
export const beforeAll = () => { throw new Error("hooks are not supported here") }
export const afterAll = beforeAll
export const beforeEach = beforeAll
export const afterEach = beforeAll
export const inject = () => ""
export const vi = undefined
`

export interface Change {
  readonly file: string
  readonly text: string
}

export class Bundler {
  private readonly root: string
  private readonly tests: ReadonlyArray<string>

  constructor(root: string, tests: ReadonlyArray<string>) {
    this.root = root
    this.tests = tests
  }

  async bundle(change: Change | undefined): Promise<string> {
    const src = resolve(this.root, "src")
    const rooms: Plugin = {
      name: "rooms",
      setup: (build) => {
        const named = (path: string) => ({ path: existsSync(`${path}.ts`) ? `${path}.ts` : path })
        build.onResolve({ filter: /^#effect\// }, ({ path }) => named(`${src}/internal/effect3/${path.slice(8)}`))
        build.onResolve(
          { filter: /^#test\// },
          ({ path }) => named(resolve(this.root, `test/support/effect3/${path.slice(6)}`))
        )
        build.onResolve({ filter: /^effect-pools$/ }, () => named(`${src}/index`))
        build.onResolve({ filter: /^effect-pools\// }, ({ path }) => named(`${src}/${path.slice(13)}`))
        build.onResolve({ filter: /^vitest$/ }, () => ({ path: "vitest", namespace: "here" }))
        build.onLoad({ filter: /.*/, namespace: "here" }, () => ({
          contents: vitest,
          resolveDir: resolve(this.root, "node_modules/vitest")
        }))
        // only packages that import vitest are bundled
        build.onResolve(
          { filter: /^[a-z@]/ },
          ({ path }) => path === "chai" ? undefined : { path, external: true }
        )
        if (change !== undefined) {
          const escaped = change.file.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")
          build.onLoad({ filter: new RegExp(`^${escaped}$`) }, () => ({ contents: change.text, loader: "ts" }))
        }
      }
    }
    const { outputFiles } = await build({
      stdin: {
        contents: [...this.tests.map((path) => `import ${JSON.stringify(path)}`), `export { tests } from "vitest"`]
          .join("\n"),
        resolveDir: this.root,
        loader: "ts"
      },
      bundle: true,
      // the package declares its modules free of side effects, but tests have side effects
      ignoreAnnotations: true,
      format: "esm",
      platform: "node",
      target: "node20",
      write: false,
      logLevel: "silent",
      plugins: [rooms]
    })
    return outputFiles[0]!.text
  }
}
