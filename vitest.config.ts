import { fileURLToPath } from "node:url"
import { configDefaults, defineConfig } from "vitest/config"
import { chromium } from "./examples/support/chromium.js"
import { http3Node, http3Problem } from "./test/support/http3.js"

const src = fileURLToPath(new URL("./src", import.meta.url))

const problem = http3Problem()
const browserProblem = chromium() === undefined ? "no Chromium on the path; CHROMIUM may name one" : undefined
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
      ...(browserProblem === undefined ? [] : ["test/**/*.browser.http3.test.ts"])
    ],
    globalSetup: ["test/support/globalSetup.ts"],
    provide: { http3Problem: problem ?? "", browserProblem: browserProblem ?? "" },
    setupFiles: ["test/support/http3Setup.ts"],
    // Its main is TypeScript.
    server: { deps: { inline: ["@moq/web-transport"] } },
    testTimeout: 30_000
  }
})
