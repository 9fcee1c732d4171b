/** What a process still holds, and whether it ends by itself. */
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync, readlinkSync } from "node:fs"
import * as Processes from "./processes.js"

/** How many resources of each kind keep this process's event loop alive, as node names them. */
export const activeResources = (): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const type of process.getActiveResourcesInfo()) counts[type] = (counts[type] ?? 0) + 1
  return counts
}

/** The TCP sockets that keep this process alive, connecting ones too; unreferenced ones and listeners do not count. */
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

/** The inodes of a process's UDP sockets, those of native code too. Linux alone lists them. */
export const udpSockets = (pid: number): ReadonlyArray<string> => inodesOf(pid, "udp", "udp6")

/**
 * How many TCP and UDP sockets this process has, of native code too, whether or not they keep it alive. Only Linux tells;
 * elsewhere it is what node knows of.
 */
export const networkSockets = (): Readonly<Record<"tcp" | "udp", number>> => {
  if (process.platform === "linux") {
    return { tcp: inodesOf(process.pid, "tcp", "tcp6").length, udp: udpSockets(process.pid).length }
  }
  const active = activeResources()
  return { tcp: active["TCPSocketWrap"] ?? 0, udp: active["UDPWrap"] ?? 0 }
}

export interface ChildOptions {
  /** Milliseconds after which it is killed. 100,000. */
  readonly deadline?: number | undefined
  /** Milliseconds after its line `done` after which it is killed: a shorter deadline for a test that expects it. */
  readonly lingerDeadline?: number | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
}

export interface ChildResult {
  /** null if a signal ended it. */
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  /** Whether it was still alive at one of the deadlines. */
  readonly timedOut: boolean
  /** Milliseconds from its line `done` to its end; undefined if it never printed that, or had to be killed. */
  readonly exitedAfterDone: number | undefined
  /** All but the line `done`. */
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs a TypeScript file under tsx in a process of its own, from the repository's root, with a deadline.
 *
 * The file prints a line `done` when it has done its work, and must not call `process.exit`: the question is what keeps
 * it alive after that. Assert `timedOut`, not the milliseconds.
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
