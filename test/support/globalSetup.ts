import type { TestProject } from "vitest/node"

declare module "vitest" {
  interface ProvidedContext {
    /** Why this machine cannot run HTTP/3; empty if it can. */
    http3Problem: string
    /** The same for Prometheus' promtool. */
    promtoolProblem: string
  }
}

/** Says in a line each what this machine cannot run; with `…_REQUIRED=true` it must. */
export default ({ config }: TestProject): void => {
  const { http3Problem, promtoolProblem } = config.provide
  report("HTTP3_REQUIRED", "HTTP/3 tests left out: this machine cannot load @moq/web-transport", http3Problem)
  report("PROMTOOL_REQUIRED", "promtool tests left out: this machine has no Prometheus", promtoolProblem)
}

const report = (required: string, leftOut: string, problem = ""): void => {
  if (problem === "") return
  const line = `${leftOut} (${problem})`
  if (process.env[required] === "true") throw new Error(line)
  process.stdout.write(`${line}\n`)
}
