import { fileURLToPath } from "node:url"
import { configDefaults, defineConfig } from "vitest/config"
import { http3Node, http3Problem } from "./test/support/http3.js"
import { promtoolProblem } from "./test/support/promtool.js"

const src = fileURLToPath(new URL("./src", import.meta.url))

const problem = http3Problem()
const noPromtool = promtoolProblem()
// The workers load the native package, too.
process.execPath = http3Node()

export default defineConfig({
  resolve: {
    alias: [
      { find: /^effect-pools$/, replacement: `${src}/index.ts` },
      { find: /^effect-pools\/(.*)$/, replacement: `${src}/$1.ts` }
    ]
  },
  test: {
    include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
    exclude: [
      ...configDefaults.exclude,
      ...(problem === undefined ? [] : ["test/**/*.http3.test.ts"]),
      ...(noPromtool === undefined ? [] : ["test/**/*.promtool.test.ts"])
    ],
    globalSetup: ["test/support/globalSetup.ts"],
    provide: { http3Problem: problem ?? "", promtoolProblem: noPromtool ?? "" },
    setupFiles: ["test/support/http3Setup.ts"],
    // Its main is TypeScript.
    server: { deps: { inline: ["@moq/web-transport"] } },
    testTimeout: 30_000
  }
})
