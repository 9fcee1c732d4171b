import type { TestProject } from "vitest/node"

declare module "vitest" {
  interface ProvidedContext {
    /** Why this machine cannot run HTTP/3; empty if it can. */
    http3Problem: string
    /** Why there is no browser; empty if there is one. */
    browserProblem: string
    /** Why there is no Firefox; empty if there is one. */
    firefoxProblem: string
    /** Why there is no promtool; empty if there is one. */
    promtoolProblem: string
    /** Why there is no PostgreSQL; empty if there is one. */
    postgresProblem: string
    /** Why there is no Redis; empty if there is one. */
    redisProblem: string
    /** Why there is no Deno; empty if there is one. */
    denoProblem: string
    /** Why there is no Bun; empty if there is one. */
    bunProblem: string
    /** A server of the contract in test/interop/README.md, if the suites run against one. */
    interop: { readonly url: string; readonly hash: string; readonly paths: ReadonlyArray<string> }
    platform: NodeJS.Platform
    /** The protocol of the suites of a transport. */
    protocol: "http2" | "http3" | "browser" | "firefox"
  }
}

/** Prints in one line what this machine cannot run. A variable such as `HTTP3_REQUIRED=true` turns that into a failure. */
export default ({ config }: TestProject): void => {
  const { browserProblem, bunProblem, denoProblem, firefoxProblem, http3Problem } = config.provide
  const { postgresProblem, promtoolProblem, redisProblem } = config.provide
  const parts = [
    ["HTTP3_REQUIRED", "HTTP/3: this machine cannot load @moq/web-transport", http3Problem],
    ["BROWSER_REQUIRED", "the browser", browserProblem],
    ["FIREFOX_REQUIRED", "Firefox", firefoxProblem],
    ["PROMTOOL_REQUIRED", "promtool", promtoolProblem],
    ["POSTGRES_REQUIRED", "PostgreSQL", postgresProblem],
    ["REDIS_REQUIRED", "Redis", redisProblem],
    ["DENO_REQUIRED", "Deno", denoProblem],
    ["BUN_REQUIRED", "Bun", bunProblem]
  ] as const
  const missing = parts.filter(([, , problem]) => problem !== undefined && problem !== "")
  if (missing.length === 0) return
  const leftOut = `tests left out: ${missing.map(([, what, problem]) => `${what} (${problem})`).join("; ")}`
  if (missing.some(([required]) => process.env[required] === "true")) throw new Error(leftOut)
  process.stdout.write(`${leftOut}\n`)
}
