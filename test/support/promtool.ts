import { spawnSync } from "node:child_process"

/** Prometheus' own check of what it would scrape. */
export const promtool = (input: string, ...args: ReadonlyArray<string>) =>
  spawnSync("promtool", args, { encoding: "utf8", input, timeout: 60_000 })

/** Why this machine cannot run promtool; undefined if it can. */
export const promtoolProblem = (): string | undefined => promtool("", "--version").error?.message
