/** Pools of connections to a real PostgreSQL: it crashes, is restarted, is full, stands still; and what is left in one. */
import { assert, describe, it } from "@effect/vitest"
import * as ResourcePool from "effect-pools/ResourcePool"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as Postgres from "./support/postgres.js"
import { program } from "./support/postgresPrograms.js"
import * as Processes from "./support/processes.js"

/** Waits until it is so. */
const until = (condition: () => boolean) => Effect.repeat(Effect.sleep("2 millis"), { until: condition })

type Options = Omit<ResourcePool.Options<Postgres.Connection, Error, never>, "acquire">

/** A pool of connections. */
const makePool = (config: Postgres.Postgres["config"], options: Options = {}) =>
  Effect.gen(function*() {
    const pool = yield* ResourcePool.make({
      lost: ({ gone }) => Effect.promise(() => gone),
      validate: ({ query }) => Effect.as(query("select 1"), true),
      ...options,
      acquire: Postgres.connect(config)
    })
    return { pool }
  })

type Pool = ResourcePool.ResourcePool<Postgres.Connection, Error>

describe("what a borrower that is interrupted leaves in its item", () => {
  /** As long as it is locked, whoever asks for it waits. */
  const lock = "select pg_advisory_lock(1)"
  const locked = (server: Postgres.Postgres) =>
    Effect.gen(function*() {
      const { query } = yield* Postgres.connect(server.config)
      yield* query(lock)
      return Effect.asVoid(query("select pg_advisory_unlock(1)"))
    })
  /** Queries that run or wait at the server, apart from this one. */
  const running = (server: Postgres.Postgres) =>
    Effect.map(
      server.query("select query from pg_stat_activity where state = 'active' and pid <> pg_backend_pid()"),
      (rows): Array<string> => rows.map(({ query }) => query)
    )
  const untilRuns = (server: Postgres.Postgres, sql: string, count: number) =>
    Effect.repeat(Effect.delay(running(server), "2 millis"), {
      until: (queries) => queries.filter((query) => query.includes(sql)).length === count
    })

  const keepAll = {}
  const discardAfterInterruption = {
    onRelease: (_: unknown, exit: Exit.Exit<unknown, unknown>) =>
      Effect.succeed(Exit.isInterrupted(exit) ? "discard" as const : "keep" as const)
  }

  let asked = 0
  /** A client that knows of an answer no more than that it is the next line. */
  const psql = ({ host, password }: Postgres.Postgres["config"]) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() =>
          spawn(program("psql"), ["-qAtX", "-h", host, "-p", "5432", "-U", "postgres"], {
            env: { ...process.env, PGPASSWORD: password },
            stdio: ["pipe", "pipe", "inherit"]
          })
        ),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      ),
      (child) => {
        const lines = createInterface({ input: child.stdout })
        return (sql: string) =>
          Effect.tryPromise((signal) => {
            const answer = once(lines, "line", { signal })
            child.stdin.write(`${sql};\n`)
            asked++
            return answer
          })
      }
    )

  it.scopedLive("its answer reaches the next borrower, unless onRelease discards after interruption", () =>
    Effect.gen(function*() {
      const server = yield* Postgres.make()
      const answerAfterInterruption = (options: typeof keepAll | typeof discardAfterInterruption) =>
        Effect.gen(function*() {
          const unlock = yield* locked(server)
          const pool = yield* ResourcePool.make({ acquire: psql(server.config), maxSize: 1, ...options })
          const first = yield* Effect.fork(pool.use((ask) => ask(`select 'first' from (${lock}) as locked`)))
          yield* untilRuns(server, lock, 1)
          yield* Fiber.interrupt(first)
          asked = 0
          const second = yield* Effect.fork(pool.use((ask) => ask("select 'second'")))
          yield* until(() => asked === 1)
          yield* unlock
          return yield* Fiber.join(second)
        }).pipe(Effect.scoped)
      assert.deepStrictEqual(yield* answerAfterInterruption(keepAll), ["first"])
      assert.deepStrictEqual(yield* answerAfterInterruption(discardAfterInterruption), ["second"])
    }))

  it.scopedLive("the next borrower commits half of its transaction, unless onRelease discards after interruption", () =>
    Effect.gen(function*() {
      const server = yield* Postgres.make()
      yield* server.query("create table entries (entry text)")
      const entriesAfterInterruption = (options: Options) =>
        Effect.gen(function*() {
          const { pool } = yield* makePool(server.config, { maxSize: 1, ...options })
          const transaction = (entry: string, rest: Effect.Effect<unknown>) =>
            pool.use(({ query }) =>
              Effect.gen(function*() {
                yield* query("begin")
                yield* query("insert into entries values ($1)", [entry])
                yield* rest
                yield* query("commit")
              })
            )
          let inserted = false
          const rest = Effect.zipRight(Effect.sync(() => inserted = true), Effect.never)
          const first = yield* Effect.fork(transaction("half", rest))
          yield* until(() => inserted)
          yield* Fiber.interrupt(first)
          yield* transaction("whole", Effect.void)
          const entries = yield* server.query("delete from entries returning entry")
          return entries.map(({ entry }) => entry)
        }).pipe(Effect.scoped)
      assert.deepStrictEqual(yield* entriesAfterInterruption(keepAll), ["half", "whole"])
      assert.deepStrictEqual(yield* entriesAfterInterruption(discardAfterInterruption), ["whole"])
    }))

  /** So often, and how many run at the server after each time. */
  const interrupted = (server: Postgres.Postgres, pool: Pool, runAfter: ReadonlyArray<number>) =>
    Effect.forEach(runAfter, (after, i) =>
      Effect.gen(function*() {
        const borrower = yield* Effect.fork(pool.use(({ query }) => query("select pg_sleep(600)")))
        yield* untilRuns(server, "pg_sleep", i === 0 ? 1 : runAfter[i - 1]! + 1)
        yield* Fiber.interrupt(borrower)
        yield* untilRuns(server, "pg_sleep", after)
      }))

  it.scopedLive("its query runs on after a discard, unless onRelease cancels it at the server before", () =>
    Effect.gen(function*() {
      const server = yield* Postgres.make()
      const cancel = (pid: number) => server.query("select pg_cancel_backend($1)", [pid])
      const cancelling = yield* makePool(server.config, {
        maxSize: 1,
        onRelease: ({ pid }, exit) =>
          Exit.isInterrupted(exit) ? Effect.as(cancel(pid), "discard") : Effect.succeed("keep")
      })
      yield* interrupted(server, cancelling.pool, [0, 0, 0])
      const discarding = yield* makePool(server.config, { maxSize: 1, ...discardAfterInterruption })
      yield* interrupted(server, discarding.pool, [1, 2, 3])
    }))
})

describe("the server of the tests", () => {
  for (const state of ["running", "stopped"]) {
    it.scopedLive(
      `does not survive a process that is killed, ${state}, nor does its folder`,
      () =>
        Effect.gen(function*() {
          const fixture = fileURLToPath(new URL("./support/fixtures/holdPostgres.ts", import.meta.url))
          const parent = yield* Effect.acquireRelease(
            Effect.sync(() => Processes.run(fixture, [state])),
            (parent) => Effect.promise(() => parent.kill())
          )
          const line = yield* Effect.promise(() => once(createInterface({ input: parent.child.stdout }), "line"))
          const [pid, folder] = String(line).split(" ")
          assert.isTrue(Processes.isAlive(Number(pid)) && existsSync(folder!))
          yield* Effect.promise(() => parent.kill())
          yield* until(() => !Processes.isAlive(Number(pid)) && !existsSync(folder!))
        }),
      60_000
    )
  }
})
