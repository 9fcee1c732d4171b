import { fileURLToPath } from "node:url"
import { configDefaults, defineConfig, type TestProjectConfiguration } from "vitest/config"
import { chromium } from "./examples/support/chromium.js"
import { http3Node, http3Problem } from "./test/support/http3.js"

const src = fileURLToPath(new URL("./src", import.meta.url))

const problem = http3Problem()
const browserProblem = chromium() === undefined ? "no Chromium on the path; CHROMIUM may name one" : undefined
// The workers load the native package, too.
process.execPath = http3Node()

const http2: TestProjectConfiguration = {
  extends: true,
  test: {
    name: "http2",
    include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
    exclude: [...configDefaults.exclude, "test/**/*.http3.test.ts"],
    provide: { protocol: "http2" }
  }
}

/** The suites that are about a transport, once more; and what is about this one alone. */
const http3: TestProjectConfiguration = {
  extends: true,
  test: {
    name: "http3",
    include: [
      "test/**/*.http3.test.ts",
      "test/SessionPool.test.ts",
      "test/StreamPool.test.ts",
      "test/StreamPool.{clean,limits,request,sessions,socket,twice}.test.ts",
      "test/WebTransport.{connect,session,streams}.test.ts"
    ],
    exclude: [
      ...configDefaults.exclude,
      ...(browserProblem === undefined ? [] : ["test/**/*.browser.http3.test.ts"])
    ],
    provide: { protocol: "http3" }
  }
}

export default defineConfig({
  resolve: {
    alias: [
      { find: /^effect-pools$/, replacement: `${src}/index.ts` },
      { find: /^effect-pools\/(.*)$/, replacement: `${src}/$1.ts` }
    ]
  },
  test: {
    projects: problem === undefined ? [http2, http3] : [http2],
    globalSetup: ["test/support/globalSetup.ts"],
    provide: { http3Problem: problem ?? "", browserProblem: browserProblem ?? "" },
    setupFiles: ["test/support/http3Setup.ts"],
    // Its main is TypeScript.
    server: { deps: { inline: ["@moq/web-transport"] } },
    testTimeout: 30_000
  }
})
