import type { TestProject } from "vitest/node"

declare module "vitest" {
  interface ProvidedContext {
    /** Why this machine cannot run HTTP/3; empty if it can. */
    http3Problem: string
    /** What the suites of a transport run over. */
    protocol: "http2" | "http3"
  }
}

/** Says in a line what this machine cannot run; with `HTTP3_REQUIRED=true` it must run all. */
export default ({ config }: TestProject): void => {
  const problem = config.provide.http3Problem
  if (problem === undefined || problem === "") return
  const leftOut = `HTTP/3 tests left out: this machine cannot load @moq/web-transport (${problem})`
  if (process.env["HTTP3_REQUIRED"] === "true") throw new Error(leftOut)
  process.stdout.write(`${leftOut}\n`)
}
