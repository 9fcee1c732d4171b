/// <reference types="@vitest/browser/providers/playwright" />
import { existsSync } from "node:fs"
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { configDefaults, defineConfig, type TestProjectConfiguration } from "vitest/config"
import type { BrowserConfigOptions } from "vitest/node"
import platforms from "./.ci/platforms.json" with { type: "json" }
import { chromium } from "./examples/support/chromium.js"
import { commands } from "./test/browser/commands.js"
import { bun } from "./test/support/bun.js"
import { firefox } from "./test/support/firefox.js"
import { http3Node, http3Problem } from "./test/support/http3.js"
import { postgresProblem } from "./test/support/postgresPrograms.js"
import { promtoolProblem } from "./test/support/promtool.js"
import { redisProblem } from "./test/support/redisProgram.js"

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const src = at("./src")
const effect4 = at("./effect4/node_modules/effect/dist")

const problem = http3Problem()
const executablePath = chromium()
const browserProblem = executablePath === undefined ? "no Chromium on the path; CHROMIUM may name one" : undefined
const firefoxProblem = firefox() === undefined ? "it is not on the path; FIREFOX may name one" : undefined
const denoProblem = existsSync(new URL("./node_modules/.bin/deno", import.meta.url)) ? undefined : "it is not installed"
const bunProblem = bun() === undefined ? "it is not on the path; BUN may name one" : undefined
const noPromtool = promtoolProblem()
const noPostgres = postgresProblem()
const noRedis = redisProblem()
// The workers load the native package, too.
process.execPath = http3Node()

// The path of a test decides where it runs. The rooms in `portable` need no server: they run once in Node and once in a
// browser. The rooms in `transports` run over each transport. All others run once, in Node. Folders within a room restrict
// this: `node`, not in a browser; `http2` and `http3`, only over that protocol; `memory`, over no transport.
const portable = ["core", "dialect", "effect3", "engine", "keyed", "observe", "options", "recycling"]
const transports = ["transport", "framing", "sessions", "streams", "requests"]
const tests = (rooms: ReadonlyArray<string>) => `test/{${rooms.join(",")}}/**/*.test.ts`

const testServer = /^\.[./]*\/(support\/)?TestServer\.js$/

/** A server that is not ours: see test/interop/README.md. */
const interop = process.env["INTEROP_URL"] === undefined ? undefined : {
  url: process.env["INTEROP_URL"],
  hash: process.env["INTEROP_CERTIFICATE_HASH"] ?? "",
  paths: (process.env["INTEROP_PATHS"] ?? "").split(",")
}
const interopTests = interop === undefined ? [] : ["test/interop/*.test.ts"]
const interopAlias = interop === undefined
  ? []
  : [{ find: testServer, replacement: fileURLToPath(new URL("./test/interop/TestServer.ts", import.meta.url)) }]

const http2: TestProjectConfiguration = {
  extends: true,
  test: {
    name: "http2",
    include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
    exclude: [
      ...configDefaults.exclude,
      "**/http3/**",
      "test/effect4/**",
      // a server that is not ours shows nothing in these
      ...(interop === undefined ? ["test/interop/**"] : ["**/{memory,node,http2}/**"]),
      ...(denoProblem === undefined ? [] : ["**/deno.test.ts"]),
      ...(bunProblem === undefined ? [] : ["**/bun.test.ts"]),
      ...(noPromtool === undefined ? [] : ["**/*.promtool.test.ts"]),
      ...(noPostgres === undefined ? [] : ["**/postgres.test.ts"]),
      ...(noRedis === undefined ? [] : ["**/*.redis.test.ts"])
    ],
    setupFiles: ["test/support/http3Setup.ts"],
    // one project runs it for all
    globalSetup: ["test/support/globalSetup.ts"],
    provide: { protocol: "http2" }
  }
}

const http3: TestProjectConfiguration = {
  extends: true,
  test: {
    name: "http3",
    include: [
      tests(transports),
      ...interopTests,
      "test/**/http3/**/*.test.ts",
      "test/platform/NodeWebTransportServer.test.ts"
    ],
    exclude: [
      ...configDefaults.exclude,
      "**/{http2,memory}/**",
      ...(browserProblem === undefined ? [] : ["**/*.browser.test.ts"]),
      ...(denoProblem === undefined ? [] : ["**/deno.test.ts"])
    ],
    setupFiles: ["test/support/http3Setup.ts"],
    provide: { protocol: "http3" }
  }
}

/** Where a browser asks other servers than Node. */
const browserAlias = [
  ...interopAlias,
  { find: testServer, replacement: fileURLToPath(new URL("./test/browser/TestServer.ts", import.meta.url)) },
  {
    find: /^\.[./]*\/(support\/)?sockets\.js$/,
    replacement: fileURLToPath(new URL("./test/browser/sockets.ts", import.meta.url))
  }
]

/** Each project has its own object: vitest writes into it. */
const inChromium = (): BrowserConfigOptions => ({
  provider: "playwright",
  instances: [{
    browser: "chromium",
    launch: {
      executablePath: executablePath!,
      args: [
        "--js-flags=--expose-gc",
        // Without this flag failed connects delay later connects, also of other tests.
        "--webtransport-developer-mode",
        "--enable-features=SharedArrayBuffer",
        "--disable-gpu"
      ],
      // This flag would disable WebTransport.
      ignoreDefaultArgs: ["--disable-field-trial-config"]
    }
  }]
})

const inFirefox: BrowserConfigOptions = {
  provider: fileURLToPath(new URL("./test/browser/firefox.ts", import.meta.url)),
  instances: [{ browser: "firefox" }]
}

interface Page {
  readonly name: string
  readonly protocol?: "browser" | "firefox"
  readonly groupOrder: number
  readonly include: Array<string>
  readonly exclude?: Array<string>
  readonly browser: BrowserConfigOptions
  readonly alias?: Array<{ readonly find: RegExp; readonly replacement: string }>
}

/** A project in a browser. */
const inBrowser = (
  { alias = [], browser, exclude = [], groupOrder, include, name, protocol = "browser" }: Page
): TestProjectConfiguration => ({
  extends: true,
  resolve: { alias: [...alias, ...browserAlias] },
  test: {
    name,
    include,
    exclude: [...configDefaults.exclude, "**/{node,http2}/**", ...exclude],
    setupFiles: ["test/browser/setup.ts"],
    provide: { protocol },
    // one after the other, after the projects of Node: two cores are too few for both
    sequence: { groupOrder },
    // after failures Chromium delays connects by seconds, and some suites test failures
    retry: 2,
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      fileParallelism: false,
      commands,
      ...browser
    }
  }
})

/** What `#effect/*` and `#test/*` mean with a major of Effect. */
const dialect = (major: 3 | 4) => [
  { find: /^#effect\/(.*)$/, replacement: `${src}/internal/effect${major}/$1.ts` },
  { find: /^#test\/(.*)$/, replacement: `${at("./test/support")}/effect${major}/$1.ts` }
]

const effect4Alias = [
  ...dialect(4),
  { find: /^effect$/, replacement: `${effect4}/index.js` },
  // folders have lower-case names
  { find: /^effect\/([a-z-]+)$/, replacement: `${effect4}/$1/index.js` },
  { find: /^effect\/(.*)$/, replacement: `${effect4}/$1.js` }
]

/** For the processes that tests start. */
const effect4Env = { TSX_TSCONFIG_PATH: at("./test/support/effect4/tsx.json") }

/**
 * The same suites with Effect 4, except: `core`, which knows no Effect; programs, which are written for Effect 3; suites of
 * the tests' own servers; and folders of the other major.
 */
const onEffect4: TestProjectConfiguration = {
  extends: true,
  resolve: { alias: effect4Alias },
  test: {
    name: "effect4",
    include: ["test/**/*.test.ts"],
    exclude: [
      ...http2.test!.exclude!.filter((path) => path !== "test/effect4/**"),
      "test/{core,effect3,programs,chaos,simulation,support}/**",
      // programs, too
      "test/observe/node/metrics.*"
    ],
    env: effect4Env,
    setupFiles: ["test/support/http3Setup.ts"],
    provide: { protocol: "http2" }
  }
}

/** Sessions, streams and requests with Effect 4, over HTTP/3. */
const onEffect4Http3: TestProjectConfiguration = {
  extends: true,
  resolve: { alias: effect4Alias },
  test: {
    ...http3.test,
    name: "effect4-http3",
    include: [tests(["sessions", "streams", "requests"]), ...interopTests],
    env: effect4Env
  }
}

const browsers = [
  inBrowser({
    name: "browser",
    groupOrder: 1,
    include: [
      tests(portable),
      "test/**/memory/**/*.test.ts",
      ...(problem === undefined ? [tests(transports), ...interopTests] : [])
    ],
    browser: inChromium()
  }),
  ...(problem === undefined
    ? [inBrowser({
      name: "effect4-browser",
      groupOrder: 2,
      include: [tests(["sessions", "streams", "requests"]), ...interopTests],
      browser: inChromium(),
      alias: effect4Alias
    })]
    : [])
]

const inFirefoxToo = inBrowser({
  name: "firefox",
  protocol: "firefox",
  groupOrder: 3,
  include: [tests(platforms.firefox.rooms), ...interopTests],
  // Chromium runs what needs no transport, and the longest faults
  exclude: ["**/{memory,http3}/**"],
  browser: inFirefox
})

export default defineConfig({
  resolve: {
    alias: [
      ...interopAlias,
      ...dialect(3),
      { find: /^effect-pools$/, replacement: `${src}/index.ts` },
      { find: /^effect-pools\/(.*)$/, replacement: `${src}/$1.ts` }
    ]
  },
  test: {
    projects: [
      http2,
      onEffect4,
      ...(problem === undefined ? [http3, onEffect4Http3] : []),
      ...(browserProblem === undefined ? browsers : []),
      ...(problem === undefined && firefoxProblem === undefined ? [inFirefoxToo] : [])
    ],
    provide: {
      http3Problem: problem ?? "",
      browserProblem: browserProblem ?? "",
      firefoxProblem: firefoxProblem ?? "",
      promtoolProblem: noPromtool ?? "",
      postgresProblem: noPostgres ?? "",
      redisProblem: noRedis ?? "",
      denoProblem: denoProblem ?? "",
      bunProblem: bunProblem ?? "",
      ...(interop === undefined ? {} : { interop }),
      platform: process.platform
    },
    // The main of this package is TypeScript.
    server: { deps: { inline: ["@moq/web-transport"] } },
    // Two cores would get one worker, and the suites mostly wait.
    maxWorkers: Math.max(availableParallelism() - 1, 2),
    // for tests that hang; the busiest machine keeps it
    testTimeout: 120_000,
    hookTimeout: 120_000
  }
})
