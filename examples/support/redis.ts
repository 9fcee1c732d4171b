/** A Redis of an example's own, with its data in a temporary folder, which the example can kill and start again. */
import { Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"

/** Every command is written before its answer leaves: `kill -9` loses none. No TCP, only a socket in the folder. */
const settings = (folder: string) => ({
  dir: folder,
  unixsocket: join(folder, "socket"),
  port: 0,
  save: "",
  appendonly: "yes",
  appendfsync: "everysec"
})

const run = async (folder: string): Promise<ChildProcess> => {
  const args = Object.entries(settings(folder)).flatMap(([name, value]) => [`--${name}`, String(value)])
  const server = spawn("redis-server", args, { stdio: ["ignore", "pipe", "inherit"] })
  // ends the server when this process is gone
  const guard = spawn("/bin/sh", ["-c", `trap "" INT TERM; read _; kill -KILL ${server.pid}`], {
    stdio: ["pipe", "ignore", "ignore"]
  })
  guard.stdin.on("error", () => {})
  guard.unref()
  server.prependOnceListener("exit", () => guard.kill("SIGKILL"))
  const log: Array<string> = []
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: server.stdout }).on("line", (line) => {
      log.push(line)
      if (/ready to accept connections/i.test(line)) resolve()
    })
    server.once("error", () => reject(new Error("there is no redis-server: install Debian's package redis-server")))
    server.once("exit", () => reject(new Error(`Redis ended:\n${log.join("\n")}`)))
  })
  return server
}

const kill = async (server: ChildProcess): Promise<void> => {
  if (server.exitCode !== null || server.signalCode !== null) return
  const ended = once(server, "exit")
  server.kill("SIGKILL")
  await ended
}

/** Starts a server, until the scope closes. */
export const startRedis = Effect.gen(function*() {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "redis-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  )
  let server: ChildProcess = yield* Effect.acquireRelease(
    Effect.promise(() => run(folder)),
    () => Effect.promise(() => kill(server))
  )
  return {
    /** For `new Redis(…)`. */
    options: { path: settings(folder).unixsocket },
    /** `kill -9`, and a new server over the same data. */
    restart: Effect.promise(async () => {
      await kill(server)
      server = await run(folder)
    })
  }
})
