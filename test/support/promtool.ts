import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Prometheus' own check of scraped metrics. */
export const promtool = (input: string, ...args: ReadonlyArray<string>) =>
  spawnSync("promtool", args, { encoding: "utf8", input, timeout: 60_000 })

/** Prometheus' own check of recording and alerting rules, which it reads from a file. */
export const checkRules = (rules: string) => {
  const folder = mkdtempSync(join(tmpdir(), "rules-"))
  try {
    const file = join(folder, "rules.yml")
    writeFileSync(file, rules)
    return promtool("", "check", "rules", file)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Why this machine cannot run promtool; undefined if it can. */
export const promtoolProblem = (): string | undefined => promtool("", "--version").error?.message
