/** Pools of connections to a real PostgreSQL, which crashes, restarts, is full, or hangs; and state left in a connection. */
import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Logger from "#test/Logger"
import * as LogLevel from "#test/LogLevel"
import * as PoolError from "effect-pools/PoolError"
import * as ResourcePool from "effect-pools/ResourcePool"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import * as Postgres from "../../support/postgres.js"
import { program } from "../../support/postgresPrograms.js"
import { assert, describe, it } from "../../support/vitest.js"

/** Waits until the condition holds. */
const until = (condition: () => boolean) => Effect.repeat(Effect.sleep("2 millis"), { until: condition })

type Options = Omit<ResourcePool.Options<Postgres.Connection, Error, never>, "acquire">

/** A pool of connections, with the number of attempts to connect, and their failures. */
const makePool = (config: Postgres.Postgres["config"], options: Options = {}) =>
  Effect.gen(function*() {
    const attempts = { count: 0, failures: [] as Array<unknown> }
    const acquire = Effect.suspend(() => {
      attempts.count++
      return Postgres.connect(config)
    }).pipe(Effect.tapError((error) => Effect.sync(() => attempts.failures.push(error))))
    const pool = yield* ResourcePool.make({
      lost: ({ gone }) => Effect.promise(() => gone),
      validate: ({ query }) => Effect.as(query("select 1"), true),
      ...options,
      acquire
    })
    return { attempts, pool }
  })

type Pool = ResourcePool.ResourcePool<Postgres.Connection, Error>

interface Refused {
  readonly borrower: number
  readonly at: number
  readonly error: unknown
}

/** `size` borrowers, each with one query after the other, until the scope closes; and their results. */
const startLoad = (pool: Pool, size: number) =>
  Effect.gen(function*() {
    const load = {
      /** How often each borrower was served. */
      served: Array.from({ length: size }, () => 0),
      /** The borrowers that got no connection, with time and error. */
      refused: [] as Array<Refused>,
      /** The errors of queries. */
      cut: [] as Array<unknown>,
      end: Effect.void
    }
    let ended = false
    const borrow = (borrower: number) =>
      Effect.suspend(() => {
        let hadOne = false
        const query = pool.use(({ query }) => {
          hadOne = true
          return query("select pg_sleep(0.002)")
        })
        return Effect.matchCause(query, {
          onSuccess: () => void load.served[borrower]!++,
          onFailure: (cause) => {
            const error = Cause.squash(cause)
            if (hadOne) load.cut.push(error)
            else load.refused.push({ borrower, at: performance.now(), error })
          }
        })
      })
    const borrowers = yield* Effect.forEach(load.served, (_, borrower) =>
      Effect.forkScoped(Effect.repeat(borrow(borrower), { until: () => ended })))
    load.end = Effect.suspend(() => {
      ended = true
      return Effect.asVoid(Fiber.joinAll(borrowers))
    })
    // all connections are made, and nothing else is under way
    yield* Effect.repeat(Effect.delay(pool.stats, "2 millis"), {
      until: ({ creating, max, size }) =>
        size === max && creating === 0
    })
    return load
  })

const silent = Effect.provide(Logger.minimumLogLevel(LogLevel.None))

describe("a pool of connections to PostgreSQL", () => {
  /**
   * Refusals that must not happen: within `rideOut`, 2 s by default, less the difference of two clocks. If a machine is so
   * slow that borrowers reach their own deadline in the queue, that does not count.
   */
  const early = (load: { readonly refused: ReadonlyArray<Refused> }, began: number) =>
    load.refused.filter(({ at, error }) => at < began + 1_990 && !PoolError.isPoolError(error))
      .map(({ at, error }) => `after ${at - began} ms: ${String(error)}`)

  /** With the defaults, and an `acquireTimeout` of 5 s. */
  const survives = (fault: (server: Postgres.Postgres) => Effect.Effect<void, Error>) =>
    Effect.gen(function*() {
      const server = yield* Postgres.make()
      const { pool } = yield* makePool(server.config, { acquireTimeout: "5 seconds" })
      const load = yield* startLoad(pool, 50)
      const began = performance.now()
      yield* fault(server)
      yield* Effect.repeat(Effect.delay(pool.stats, "2 millis"), {
        until: ({ destroyed, max }) => destroyed.lost >= max
      })
      const before = [...load.served]
      yield* until(() => load.served.every((count, borrower) => count > before[borrower]! + 2))
      yield* load.end
      // on a machine so slow that the server is away for longer, refusals may come, but not before
      assert.deepStrictEqual(early(load, began), [])
    }).pipe(silent)

  it.scopedLive(
    "a crash of the server fails no borrower but those with a connection",
    () => survives((server) => server.crash),
    60_000
  )

  it.scopedLive(
    "a restart of the server that takes a second fails no borrower but those with a connection",
    () => survives(({ start, stop }) => stop.pipe(Effect.andThen(Effect.delay(start, "1 second")))),
    60_000
  )

  it.scopedLive(
    "a backend that is terminated fails its borrower, and no other",
    () =>
      Effect.gen(function*() {
        const server = yield* Postgres.make()
        const { pool } = yield* makePool(server.config, {
          // the server's last answer comes before the end of the connection
          onRelease: (_, exit) => Effect.succeed(Exit.isSuccess(exit) ? "keep" : "discard")
        })
        const load = yield* startLoad(pool, 50)
        yield* server.query(
          "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep%' and pid <> pg_backend_pid() limit 1"
        )
        yield* Effect.repeat(Effect.delay(pool.stats, "2 millis"), {
          until: ({ creating, destroyed, max, size }) =>
            destroyed.lost + destroyed.discarded > 0 && size === max && creating === 0
        })
        const before = [...load.served]
        yield* until(() => load.served.every((count, borrower) => count > before[borrower]! + 2))
        yield* load.end
        assert.deepStrictEqual(load.refused, [])
        assert.isAtMost(load.cut.length, 1)
      }).pipe(silent),
    60_000
  )

  it.scopedLive(
    "in a long outage borrowers fail with what the attempts fail with, from 2 s on",
    () =>
      Effect.gen(function*() {
        const server = yield* Postgres.make()
        const { attempts, pool } = yield* makePool(server.config, {
          acquireTimeout: "1 minute",
          createBackoff: { max: "1 second" }
        })
        const load = yield* startLoad(pool, 50)
        const began = performance.now()
        yield* server.stop
        const errors = (borrower: number) =>
          load.refused.filter((refused) => refused.borrower === borrower).map(({ error }) => error)
        yield* until(() => load.served.every((_, borrower) => errors(borrower).length >= 2))
        yield* server.start
        const before = [...load.served]
        yield* until(() => load.served.every((count, borrower) => count > before[borrower]!))
        yield* load.end
        assert.deepStrictEqual(early(load, began), [])
        // each refusal has the error of an attempt, and no two have the same
        assert.deepStrictEqual(load.refused.filter(({ error }) => !attempts.failures.includes(error)), [])
        load.served.forEach((_, borrower) =>
          assert.strictEqual(new Set(errors(borrower)).size, errors(borrower).length)
        )
      }).pipe(silent),
    60_000
  )

  it.scopedLive("a wrong password fails the first attempt's borrower", () =>
    Effect.gen(function*() {
      const { config } = yield* Postgres.make()
      const { attempts, pool } = yield* makePool({ ...config, password: "wrong" })
      const error = yield* Effect.flip(pool.use(() => Effect.void))
      assert.propertyVal(error, "code", "28P01")
      assert.strictEqual(attempts.count, 1)
    }).pipe(silent))

  it.scopedLive("a full server fails no borrower: the granted connections serve all borrowers", () =>
    Effect.gen(function*() {
      const maxConnections = 12
      const { config } = yield* Postgres.make({ maxConnections })
      const { attempts, pool } = yield* makePool(config, { maxSize: 30 })
      const began = performance.now()
      const exits = yield* Effect.forEach(
        Array.from({ length: 100 }),
        () =>
          Effect.exit(
            pool.use(({ query }) =>
              Effect.andThen(until(() => attempts.failures.length > 0), query("select pg_sleep(0.05)"))
            )
          ),
        { concurrency: "unbounded" }
      )
      const elapsed = performance.now() - began
      assert.deepStrictEqual(exits.filter(Exit.isFailure).map(String), [])
      assert.strictEqual((yield* pool.stats).size, maxConnections)
      for (const failure of attempts.failures) assert.propertyVal(failure, "code", "53300")
      // the attempts under way at the first failure; then one at a time, after 10 ms, 20 ms, 40 ms …, ±10 %
      assert.isAtMost(attempts.failures.length, 8 + Math.log2(elapsed / 8 + 1))
    }).pipe(silent))

  describe("of a server that stands still", () => {
    const options = { maxSize: 4, validateAfterIdle: 0 }
    const fill = (pool: Pool) =>
      Effect.forEach(Array.from({ length: options.maxSize }), () => pool.get, { discard: true }).pipe(
        Effect.scoped,
        Effect.retry({ while: PoolError.isPoolError })
      )

    for (const checkTimeout of ["50 millis", "1 minute"] as const) {
      it.scopedLive(`a borrower is served when the server goes on, with a checkTimeout of ${checkTimeout}`, () =>
        Effect.gen(function*() {
          const server = yield* Postgres.make()
          let checks = 0
          const { pool } = yield* makePool(server.config, {
            ...options,
            checkTimeout,
            validate: ({ query }) => {
              checks++
              return Effect.as(query("select 1"), true)
            }
          })
          yield* fill(pool)
          const resume = yield* server.suspend
          const before = checks
          const borrower = yield* Effect.fork(pool.use(({ query }) => query("select 'served' as answer")))
          yield* checkTimeout === "1 minute"
            ? until(() => checks > before)
            : Effect.repeat(Effect.delay(pool.stats, "2 millis"), { until: ({ size }) => size < options.maxSize })
          yield* resume
          assert.deepStrictEqual(yield* Fiber.join(borrower), [{ answer: "served" }])
        }).pipe(silent))
    }

    it.scopedLive(
      "a server that stands still for 5 s fails no query and no borrower",
      () =>
        Effect.gen(function*() {
          const server = yield* Postgres.make()
          const { pool } = yield* makePool(server.config, { acquireTimeout: "1 minute" })
          const load = yield* startLoad(pool, 50)
          const resume = yield* server.suspend
          yield* Effect.delay(resume, "5 seconds")
          const before = [...load.served]
          yield* until(() => load.served.every((count, borrower) => count > before[borrower]! + 2))
          yield* load.end
          assert.deepStrictEqual([...load.refused, ...load.cut], [])
          assert.strictEqual((yield* pool.stats).created, 10)
        }).pipe(silent),
      60_000
    )

    it.scopedLive("a borrower fails by its deadline, with an error that names the check", () =>
      Effect.gen(function*() {
        const server = yield* Postgres.make()
        const { pool } = yield* makePool(server.config, {
          ...options,
          checkTimeout: "1 minute",
          acquireTimeout: "1 second"
        })
        yield* fill(pool)
        const resume = yield* server.suspend
        const error = yield* Effect.flip(pool.use(({ query }) => query("select 1")))
        assert.isTrue(PoolError.isPoolError(error))
        assert.match(error.message, /check/)
        yield* resume
        yield* Effect.retry(pool.use(({ query }) => query("select 1")), { while: PoolError.isPoolError })
      }).pipe(silent))
  })
})

describe("what a borrower that is interrupted leaves in its item", () => {
  /** While the lock is held, other queries for it wait. */
  const lock = "select pg_advisory_lock(1)"
  const locked = (server: Postgres.Postgres) =>
    Effect.gen(function*() {
      const { query } = yield* Postgres.connect(server.config)
      yield* query(lock)
      return Effect.asVoid(query("select pg_advisory_unlock(1)"))
    })
  /** The number of queries that run or wait at the server, without this one. */
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
  /** A client that takes the next line as the answer. */
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
          const rest = Effect.andThen(Effect.sync(() => inserted = true), Effect.never)
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

  /** Interrupts queries; `runAfter`: how many queries run at the server after each interruption. */
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
