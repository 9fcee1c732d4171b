import { spawnSync } from "node:child_process"

/**
 * The executable for processes that load the native package of HTTP/3: `HTTP3_NODE`, for machines with too old a C
 * library, or this process's node.
 */
export const http3Node = (): string => process.env["HTTP3_NODE"] ?? process.execPath

/** Why this machine cannot run HTTP/3; undefined if it can. Tries it in a child process. */
export const http3Problem = (): string | undefined => {
  const { error, status, stderr } = spawnSync(
    http3Node(),
    ["--import", "tsx", "--input-type=module", "--eval", "await import(\"@moq/web-transport\")"],
    { encoding: "utf8", timeout: 60_000 }
  )
  if (error !== undefined) return error.message
  if (status === 0) return undefined
  return /version .GLIBC_\S+' not found/.exec(stderr)?.[0] ?? /^\w*Error: .*/m.exec(stderr)?.[0] ??
    `exit code ${status}`
}
