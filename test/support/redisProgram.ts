import { spawnSync } from "node:child_process"

/** Why this machine cannot run Redis; undefined if it can. */
export const redisProblem = (): string | undefined => spawnSync("redis-server", ["--version"]).error?.message
