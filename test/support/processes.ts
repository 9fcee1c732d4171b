import type { ChildProcess, ChildProcessByStdio } from "node:child_process"
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import type { Readable, Writable } from "node:stream"
import { fileURLToPath } from "node:url"
import { http3Node } from "./http3.js"

const root = fileURLToPath(new URL("../..", import.meta.url))
/** For processes that start Node themselves. */
const setup = new URL("./http3Setup.ts", import.meta.url).href

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A process that does not survive this one. */
export interface Guarded {
  readonly pid: number
  /** Settles when the process is gone. */
  readonly exited: Promise<Exit>
  readonly isRunning: () => boolean
  /** SIGKILL, which a stopped process obeys, too; then waits for its end. */
  readonly kill: () => Promise<Exit>
}

/** A file that runs in its own Node process. */
export interface Running extends Guarded {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>
  /** Settles when the process is gone and its output was read. */
  readonly closed: Promise<Exit>
}

const until = (child: ChildProcess, event: "exit" | "close") =>
  new Promise<Exit>((resolve) => child.once(event, (code, signal) => resolve({ code, signal })))

/** Guards a process just spawned: a shell waits until this end of a pipe closes, then kills that process. */
export const guard = (child: ChildProcess): Guarded => {
  child.on("error", () => {})
  const { pid } = child
  if (pid === undefined) throw new Error(`could not start ${child.spawnfile}`)
  const shell = spawn("/bin/sh", ["-c", `trap "" INT TERM HUP; read _; kill -KILL ${pid}`], {
    stdio: ["pipe", "ignore", "ignore"]
  })
  shell.on("error", () => {})
  shell.stdin.on("error", () => {})
  shell.unref()
  const exited = until(child, "exit")
  // The first listener: the guard must not outlive the process, whose id may be reused.
  child.prependOnceListener("exit", () => shell.kill("SIGKILL"))
  return {
    pid,
    exited,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    kill: () => {
      child.kill("SIGKILL")
      return exited
    }
  }
}

/** Starts a file of TypeScript. */
const withLoader: ReadonlyArray<string> = ["--import", "tsx", "--import", setup]

/** Runs a TypeScript file under tsx, or a bundle (`.mjs`). */
export const run = (
  file: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
): Running => {
  const child = spawn(http3Node(), [...file.endsWith(".mjs") ? [] : withLoader, file, ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "pipe"]
  })
  child.stdin.on("error", () => {})
  return { ...guard(child), child, closed: until(child, "close") }
}

/** The state letter of a process: `T` stopped, `Z` dead and not collected; undefined without /proc. */
export const processState = (pid: number): string | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    return stat.slice(stat.lastIndexOf(")") + 2)[0]
  } catch {
    return undefined
  }
}

/** Whether a process with this id exists and is not a zombie. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return processState(pid) !== "Z"
  } catch {
    return false
  }
}
