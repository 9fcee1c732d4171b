/** The resources that a process holds, and whether it ends by itself. */
import * as Effect from "#test/Effect"
import { readdirSync, readFileSync, readlinkSync } from "node:fs"
import * as Processes from "./processes.js"

/** How many resources of each kind keep this process's event loop alive, by Node's names. */
export const activeResources = (): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const type of process.getActiveResourcesInfo()) counts[type] = (counts[type] ?? 0) + 1
  return counts
}

/** The number of TCP sockets that keep this process alive, also connecting ones; not unreferenced ones and listeners. */
export const openSockets = (): number => {
  const active = activeResources()
  return active["TCPSocketWrap"] ?? 0
}

const orNone = <A>(read: () => ReadonlyArray<A>): ReadonlyArray<A> => {
  try {
    return read()
  } catch {
    return []
  }
}

const inodesOf = (pid: number, ...tables: ReadonlyArray<string>): ReadonlyArray<string> => {
  const lines = tables.flatMap((table) =>
    orNone(() => readFileSync(`/proc/${pid}/net/${table}`, "utf8").split("\n").slice(1))
  )
  const inodes = new Set(lines.map((line) => line.trim().split(/\s+/)[9]))
  return orNone(() => readdirSync(`/proc/${pid}/fd`)).flatMap((fd) =>
    orNone(() => [/^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? ""])
  ).filter((inode) => inodes.has(inode))
}

/** The inodes of a process's UDP sockets, also of native code. Only Linux lists them. */
export const udpSockets = (pid: number): ReadonlyArray<string> => inodesOf(pid, "udp", "udp6")

/**
 * How many TCP and UDP sockets this process has, also of native code, whether or not they keep it alive. Only Linux tells;
 * elsewhere Node's own sockets count.
 */
export const networkSockets = (): Readonly<Record<"tcp" | "udp", number>> => {
  if (process.platform === "linux") {
    return { tcp: inodesOf(process.pid, "tcp", "tcp6").length, udp: udpSockets(process.pid).length }
  }
  const active = activeResources()
  return { tcp: active["TCPSocketWrap"] ?? 0, udp: active["UDPWrap"] ?? 0 }
}

export interface ChildOptions {
  /** Milliseconds after which the process is killed. Default: 100,000. */
  readonly deadline?: number | undefined
  /** Milliseconds after the line `done` after which the process is killed: a shorter deadline, for tests that expect it. */
  readonly lingerDeadline?: number | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
}

export interface ChildResult {
  /** null if a signal ended the process. */
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  /** Whether the process was alive at one of the deadlines. */
  readonly timedOut: boolean
  /** Milliseconds from the line `done` to the end; undefined without that line, or if the process was killed. */
  readonly exitedAfterDone: number | undefined
  /** The output without the line `done`. */
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs a TypeScript file under tsx in its own process, from the repository's root, with a deadline.
 *
 * The file prints a line `done` after its work, and must not call `process.exit`: the test checks what keeps the process
 * alive after that. Assert `timedOut`, not the milliseconds.
 */
export const runChild = (
  scriptFile: string,
  args: ReadonlyArray<string> = [],
  options: ChildOptions = {}
): Effect.Effect<ChildResult> =>
  Effect.acquireUseRelease(
    Effect.sync(() => Processes.run(scriptFile, args, options.env)),
    (running) => Effect.promise(() => observe(running, options)),
    (running) => Effect.promise(() => running.kill())
  )

const observe = async (running: Processes.Running, options: ChildOptions): Promise<ChildResult> => {
  const { child } = running
  let stdout = ""
  let stderr = ""
  let doneAt: number | undefined
  let timedOut = false
  const killIn = (milliseconds: number) =>
    setTimeout(() => {
      timedOut = true
      void running.kill()
    }, milliseconds)
  const timers = [killIn(options.deadline ?? 100_000)]
  child.stdin.end()
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text
    if (doneAt !== undefined || !isDone.test(stdout)) return
    doneAt = performance.now()
    if (options.lingerDeadline !== undefined) timers.push(killIn(options.lingerDeadline))
  })
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text
  })
  await running.exited
  const exitedAt = performance.now()
  timers.forEach(clearTimeout)
  const { code, signal } = await running.closed
  return {
    exitCode: code,
    signal,
    timedOut,
    exitedAfterDone: doneAt === undefined || timedOut ? undefined : exitedAt - doneAt,
    stdout: stdout.replace(isDone, ""),
    stderr
  }
}

const isDone = /^done\r?\n/m
