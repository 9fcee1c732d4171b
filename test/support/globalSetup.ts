import type { TestProject } from "vitest/node"

declare module "vitest" {
  interface ProvidedContext {
    /** Why this machine cannot run HTTP/3; empty if it can. */
    http3Problem: string
    /** Why there is no browser; empty if there is one. */
    browserProblem: string
    /** What the suites of a transport run over. */
    protocol: "http2" | "http3"
  }
}

/** Says in a line what this machine cannot run; with `HTTP3_REQUIRED=true` or `BROWSER_REQUIRED=true` it must. */
export default ({ config }: TestProject): void => {
  const { browserProblem, http3Problem } = config.provide
  const leftOut = [
    http3Problem && `HTTP/3: this machine cannot load @moq/web-transport (${http3Problem})`,
    browserProblem && `the browser: ${browserProblem}`
  ].filter(Boolean).join("; ")
  if (leftOut === "") return
  const isRequired = (http3Problem && process.env["HTTP3_REQUIRED"] === "true") ||
    (browserProblem && process.env["BROWSER_REQUIRED"] === "true")
  if (isRequired) throw new Error(`tests left out: ${leftOut}`)
  process.stdout.write(`tests left out: ${leftOut}\n`)
}
