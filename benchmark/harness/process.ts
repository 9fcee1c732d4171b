/** Servers, in processes of their own. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { setTimeout as delay } from "node:timers/promises"

export interface Started {
  /** The first line that it printed. */
  readonly line: string
  /** `graceful`: by the end of its input instead of SIGKILL. */
  readonly stop: (how?: "graceful") => Promise<unknown>
}

/** Starts a server from the parent process. It always ends with the parent, since it waits for the end of a pipe. */
export const startProcess = async (main: string, execPath: string): Promise<Started> => {
  const child = spawn(execPath, ["--import", import.meta.resolve("tsx"), main], {
    stdio: ["pipe", "pipe", "ignore"]
  })
  const exited = once(child, "exit")
  const stop: Started["stop"] = (how) => {
    if (how === undefined) child.kill("SIGKILL")
    else child.stdin.end()
    return exited
  }
  const line = once(createInterface({ input: child.stdout }), "line")
  const nothing = Promise.race([exited, delay(30_000, undefined, { ref: false })]).then(() => undefined)
  const first = await Promise.race([line, nothing])
  if (first === undefined) {
    await stop()
    throw new Error(`the server did not start; npx tsx ${main} shows why`)
  }
  return { line: first[0], stop }
}
