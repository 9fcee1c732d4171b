/** A test's own real Redis, which it can kill, stop and restart; it keeps nothing on disk. */
import * as Effect from "#test/Effect"
import type * as Scope from "#test/Scope"
import { Redis as Client } from "ioredis"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { tmpdir } from "node:os"
import { createInterface } from "node:readline"
import { freePort } from "./ports.js"

export interface Redis {
  readonly port: number
  readonly url: string
  /** Sends one command, on its own connection. */
  readonly call: (command: string, ...args: ReadonlyArray<string | number>) => Effect.Effect<any>
  /** `kill -9`: the memory is gone. */
  readonly kill: Effect.Effect<void>
  /** Call it after `kill`. The server is empty. Completes when it accepts connections. */
  readonly start: Effect.Effect<void>
  /** SIGSTOP. The returned effect, or the scope, sends SIGCONT. */
  readonly suspend: Effect.Effect<Effect.Effect<void>, never, Scope.Scope>
}

/** Starts a server on a port of its own, until the scope closes. It never survives this process. */
export const make: Effect.Effect<Redis, never, Scope.Scope> = Effect.gen(function*() {
  const port = yield* Effect.promise(freePort)
  let server: ChildProcess | undefined
  const start = Effect.promise(async () => {
    const args = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", tmpdir()].map(
      String
    )
    const started = spawn("redis-server", args, { stdio: ["ignore", "pipe", "ignore"] })
    const guard = spawn("/bin/sh", ["-c", `trap "" INT TERM HUP; read _; kill -KILL ${started.pid}`], {
      stdio: ["pipe", "ignore", "ignore"]
    })
    guard.on("error", () => {})
    guard.stdin.on("error", () => {})
    guard.unref()
    // the guard must not outlive the server, whose id may be reused
    started.prependOnceListener("exit", () => guard.kill("SIGKILL"))
    server = started
    const log: Array<string> = []
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: started.stdout }).on("line", (line) => {
        log.push(line)
        if (/ready to accept connections/i.test(line)) resolve()
      })
      started.once("exit", () => reject(new Error(`Redis ended:\n${log.join("\n")}`)))
    })
  })
  const kill = Effect.promise(async () => {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return
    const ended = once(server, "exit")
    server.kill("SIGKILL")
    await ended
  })
  yield* Effect.acquireRelease(start, () => kill)
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    call: (command, ...args) =>
      Effect.promise(async () => {
        const client = new Client(port, "127.0.0.1", { retryStrategy: null })
        client.on("error", () => {})
        try {
          return await client.call(command, ...args)
        } finally {
          client.disconnect()
        }
      }),
    kill,
    start,
    suspend: Effect.suspend(() => {
      const stopped = server!
      stopped.kill("SIGSTOP")
      const resume = Effect.sync(() => void stopped.kill("SIGCONT"))
      return Effect.as(Effect.addFinalizer(() => resume), resume)
    })
  }
})
