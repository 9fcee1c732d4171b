import type { TestProject } from "vitest/node"

declare module "vitest" {
  interface ProvidedContext {
    /** Why this machine cannot run HTTP/3; empty if it can. */
    http3Problem: string
    /** Why there is no browser; empty if there is one. */
    browserProblem: string
  }
}

/** Says in a line what this machine cannot run; with `HTTP3_REQUIRED=true` it must run all. */
export default ({ config }: TestProject): void => {
  const { browserProblem, http3Problem } = config.provide
  if (!http3Problem && !browserProblem) return
  const leftOut = http3Problem
    ? `HTTP/3 and browser tests left out: this machine cannot load @moq/web-transport (${http3Problem})`
    : `browser tests left out: ${browserProblem}`
  if (process.env["HTTP3_REQUIRED"] === "true") throw new Error(leftOut)
  process.stdout.write(`${leftOut}\n`)
}
