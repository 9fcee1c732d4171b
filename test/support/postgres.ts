/** A test's own real PostgreSQL, which it can kill, stop and restart; and connections to it. */
import * as Effect from "#test/Effect"
import type * as Scope from "#test/Scope"
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { promisify } from "node:util"
import { Client, type ClientConfig } from "pg"
import { account, program } from "./postgresPrograms.js"

/** A connection, for a pool to lend. */
export interface Connection {
  /** The id of the backend's process. */
  readonly pid: number
  /** Settles when the connection has died by itself, or was ended. */
  readonly gone: Promise<void>
  /** Returns the rows. After an interruption the query keeps running. */
  readonly query: (sql: string, values?: ReadonlyArray<unknown>) => Effect.Effect<ReadonlyArray<any>, Error>
}

/** Connects, until the scope closes. */
export const connect = (config: ClientConfig): Effect.Effect<Connection, Error, Scope.Scope> =>
  Effect.gen(function*() {
    const client = new Client(config)
    const gone = new Promise<void>((resolve) => client.on("error", () => resolve()).on("end", () => resolve()))
    // before the connect, which may never end
    yield* Effect.addFinalizer(() => Effect.promise(() => client.end()))
    const attempt = <A>(f: () => Promise<A>) => Effect.tryPromise({ try: f, catch: (cause) => cause as Error })
    yield* attempt(() => client.connect())
    const query: Connection["query"] = (sql, values) =>
      Effect.map(attempt(() => client.query(sql, [...values ?? []])), ({ rows }) => rows)
    const [{ pid }] = yield* query("select pg_backend_pid() as pid")
    return { pid, gone, query }
  })

export interface Postgres {
  /** For connections as the superuser, with a password. There is no TCP, only a socket in the server's folder. */
  readonly config: ClientConfig & { readonly host: string; readonly password: string }
  /** The id of the current process: another id after `start`. */
  readonly pid: Effect.Effect<number>
  /** Runs one statement, on its own connection. */
  readonly query: Connection["query"]
  /** `kill -9` of one backend: the server ends all others, recovers, and accepts connections again. */
  readonly crash: Effect.Effect<void, Error>
  /** Ends the server and all connections at once, as a failing machine does. */
  readonly stop: Effect.Effect<void>
  /** Call it after `stop`. Completes when the server accepts connections. */
  readonly start: Effect.Effect<void>
  /** SIGSTOP of the server and of every backend that has logged in. The returned effect, or the scope, sends SIGCONT. */
  readonly suspend: Effect.Effect<Effect.Effect<void>, Error, Scope.Scope>
}

const signal = (pid: number, name: NodeJS.Signals) => {
  try {
    process.kill(pid, name)
  } catch {
    // the process has ended
  }
}

/**
 * Starts a server in its own folder, until the scope closes. The server never survives this process: a shell waits until
 * this end of a pipe closes, then ends the server and removes the folder.
 */
export const make = ({ maxConnections = 20 } = {}): Effect.Effect<Postgres, never, Scope.Scope> =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "postgres-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
    )
    const data = join(folder, "data")
    const config = { host: folder, port: 5432, user: "postgres", password: "secret", database: "postgres", ssl: false }
    if (account.uid !== undefined) chownSync(folder, account.uid, account.gid!)
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const guard = spawn("/bin/sh", [
          "-c",
          // A server in an immediate shutdown kills hanging backends within 5 s.
          `trap "" INT TERM HUP; read _; pid=$(head -n 1 "$1/data/postmaster.pid")
          kill -CONT $pid; kill -QUIT $pid
          i=0; while [ $i -lt 100 ] && kill -0 $pid; do sleep 0.1; i=$((i + 1)); done
          rm -rf "$1"`,
          "guard",
          folder
        ], { stdio: ["pipe", "ignore", "ignore"] })
        guard.stdin.on("error", () => {})
        guard.unref()
        return guard
      }),
      (guard) => Effect.sync(() => guard.kill("SIGKILL"))
    )
    writeFileSync(join(folder, "password"), config.password)
    yield* Effect.promise(() =>
      promisify(execFile)(
        program("initdb"),
        [`--pgdata=${data}`, `--username=${config.user}`, "--auth=scram-sha-256", `--pwfile=${folder}/password`]
          .concat("--no-locale", "--encoding=UTF8", "--no-sync"),
        { ...account, cwd: folder }
      )
    )

    const settings = {
      listen_addresses: "",
      unix_socket_directories: folder,
      max_connections: maxConnections,
      superuser_reserved_connections: 0,
      shared_buffers: "16MB",
      dynamic_shared_memory_type: "mmap",
      max_wal_senders: 0,
      autovacuum: "off",
      fsync: "off"
    }
    let postmaster: ChildProcess | undefined
    const start = Effect.async<void>((resume) => {
      const started = spawn(
        program("postgres"),
        ["-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
        { ...account, cwd: folder, stdio: ["ignore", "ignore", "pipe"] }
      )
      postmaster = started
      const log: Array<string> = []
      createInterface({ input: started.stderr }).on("line", (line) => {
        log.push(line)
        if (line.includes("ready to accept connections")) resume(Effect.void)
      })
      started.once("exit", () => resume(Effect.die(new Error(`PostgreSQL ended:\n${log.join("\n")}`))))
    })
    const stop = Effect.async<void>((resume) => {
      if (postmaster === undefined || postmaster.exitCode !== null || postmaster.signalCode !== null) {
        return resume(Effect.void)
      }
      postmaster.once("exit", () => resume(Effect.void))
      postmaster.kill("SIGQUIT")
    })
    yield* Effect.acquireRelease(start, () => stop)

    const pid = Effect.sync(() => postmaster!.pid!)
    const admin = connect(config)
    return {
      config,
      pid,
      query: (sql, values) => Effect.scoped(Effect.flatMap(admin, ({ query }) => query(sql, values))),
      crash: Effect.scoped(Effect.gen(function*() {
        const { gone, pid } = yield* admin
        process.kill(pid, "SIGKILL")
        yield* Effect.promise(() => gone)
      })),
      stop,
      start,
      suspend: Effect.gen(function*() {
        const { query } = yield* admin
        const stopped = [yield* pid]
        const resume = Effect.sync(() => stopped.forEach((pid) => signal(pid, "SIGCONT")))
        yield* Effect.addFinalizer(() => resume)
        // the server first, so that it starts no more backends
        stopped.forEach((pid) => signal(pid, "SIGSTOP"))
        const others = yield* query("select pid from pg_stat_activity where pid <> pg_backend_pid()")
        for (const { pid } of others) {
          stopped.push(pid)
          signal(pid, "SIGSTOP")
        }
        return resume
      })
    }
  })
