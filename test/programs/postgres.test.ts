/** The database pool of the guide, on a real PostgreSQL: the example, the guide's own program, and what they do in trouble. */
import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Fiber from "#test/Fiber"
import * as Logger from "#test/Logger"
import * as LogLevel from "#test/LogLevel"
import * as PoolError from "effect-pools/PoolError"
import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { makeDatabase } from "../../examples/postgres/database.js"
import * as Postgres from "../support/postgres.js"
import { assert, describe, it } from "../support/vitest.js"

const root = fileURLToPath(new URL("../..", import.meta.url))
const read = (file: string) => readFileSync(join(root, file), "utf8")

const run = (file: string, { database, host, password, user }: Postgres.Postgres["config"]) =>
  Effect.promise(() =>
    promisify(execFile)("node_modules/.bin/tsx", [file], {
      cwd: root,
      env: { ...process.env, PGHOST: host, PGUSER: user, PGPASSWORD: password, PGDATABASE: database }
    })
  )

const folder = (prefix: string) =>
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(prefix)),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  )

const silent = Effect.provide(Logger.minimumLogLevel(LogLevel.None))

describe("the guide to database connections", () => {
  const block = read("docs/databases.md").split(/^```/m).find((block) => block.startsWith("ts\n"))!.slice(3)

  it("shows the pool of the example, as it is", () => {
    assert.isTrue(block.startsWith(read("examples/postgres/database.ts")))
  })

  it.scopedLive("has a program that runs", () =>
    Effect.gen(function*() {
      const server = yield* Postgres.make()
      yield* server.query("create table stock as select 'chair' as item, 5 as count")
      // inside the project, so that imports find node_modules
      const program = join(yield* folder(join(root, ".docs-")), "program.ts")
      writeFileSync(program, block)
      const { stderr, stdout } = yield* run(program, server.config)
      assert.strictEqual(stderr, "")
      assert.match(stdout, /4 in stock/)
    }))
})

it.scopedLive("runs postgres.ts: whatever happens to the connections, no money is made or lost", () =>
  Effect.gen(function*() {
    const { config } = yield* Postgres.make()
    const { stderr, stdout } = yield* run("examples/postgres.ts", config)
    assert.strictEqual(stderr, "")
    assert.match(stdout, /'nothing' *│ 0 *│ 2000 /)
    const [, failed] = stdout.match(/are terminated' *│ (\d+) *│ 2000 /)!
    assert.isAtMost(Number(failed), 9)
    assert.match(stdout, /is interrupted halfway' *│ 0 *│ 2000 /)
  }))

describe("the pool of the guide", () => {
  /** The number of its connections. */
  const maxSize = 10

  for (
    const { cut, fault, what } of [
      {
        what: "a backend that is terminated",
        fault: (server: Postgres.Postgres) =>
          server.query(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'load' order by pid limit 1"
          ),
        cut: 1
      },
      { what: "a crash of the server", fault: (server: Postgres.Postgres) => server.crash, cut: maxSize }
    ]
  ) {
    it.scopedLive(
      `${what} fails at most one borrower for each connection that dies`,
      () =>
        Effect.gen(function*() {
          const server = yield* Postgres.make()
          const { pool, query } = yield* makeDatabase({ ...server.config, application_name: "load" })
          const served = Array.from({ length: 50 }, () => 0)
          const failures: Array<{ readonly at: number; readonly error: unknown }> = []
          let ended = false
          const borrowers = yield* Effect.forEach(served, (_, borrower) =>
            Effect.forkScoped(Effect.repeat(
              Effect.matchCause(query("select pg_sleep(0.002)"), {
                onSuccess: () => void served[borrower]!++,
                onFailure: (cause) => void failures.push({ at: performance.now(), error: Cause.squash(cause) })
              }),
              { until: () => ended }
            )))
          const untilAllServed = Effect.suspend(() => {
            const before = [...served]
            return Effect.repeat(Effect.sleep("2 millis"), {
              until: () => served.every((count, borrower) => count > before[borrower]! + 2)
            })
          })
          yield* untilAllServed
          const began = performance.now()
          yield* fault(server)
          yield* Effect.repeat(Effect.delay(pool.stats, "2 millis"), {
            until: ({ destroyed }) => destroyed.lost + destroyed.discarded >= cut
          })
          yield* untilAllServed
          ended = true
          yield* Fiber.joinAll(borrowers)
          // on a machine so slow that the server is away for longer than `rideOut`, or a borrower waits for longer than its
          // deadline, there may be more
          const early = failures.filter(({ at, error }) => at < began + 4_990 && !PoolError.isPoolError(error))
          assert.isAtMost(early.length, cut, early.map(({ error }) => String(error)).join("\n"))
        }).pipe(silent),
      60_000
    )
  }

  it.scopedLive(
    "goes over to a new primary, although the connections to the old one live",
    () =>
      Effect.gen(function*() {
        const [old, next] = yield* Effect.all([Postgres.make(), Postgres.make()], { concurrency: 2 })
        yield* Effect.forEach([old, next], ({ query }) => query("create table entries (entry text)"))
        // a name that leads to one of them
        const host = yield* folder(join(tmpdir(), "postgres-name-"))
        const link = join(host, ".s.PGSQL.5432")
        const lead = ({ config }: Postgres.Postgres) => symlinkSync(join(config.host, ".s.PGSQL.5432"), link)
        lead(old)

        const { pool, query } = yield* makeDatabase({ ...old.config, host })
        const write = (entry: string) => query("insert into entries values ($1)", [entry])
        const all = (...entries: ReadonlyArray<string>) => Effect.forEach(entries, write, { concurrency: "unbounded" })
        yield* all("a", "b", "c")
        yield* old.query("alter system set default_transaction_read_only = on")
        yield* old.query("select pg_reload_conf()")
        // each backend reads its settings a moment later
        const refusal = yield* Effect.flip(Effect.forever(write("late")))
        assert.propertyVal(refusal, "code", "25006")

        // a borrower waits while the name leads to the old one
        const waiting = yield* Effect.fork(Effect.retry(all("d", "e", "f"), { while: () => true }))
        yield* Effect.repeat(Effect.delay(pool.stats, "2 millis"), { until: ({ failures }) => failures > 0 })
        unlinkSync(link)
        lead(next)
        yield* Fiber.join(waiting)
        const written = yield* next.query("select distinct entry from entries order by entry")
        assert.deepStrictEqual(written.map(({ entry }) => entry), ["d", "e", "f"])
      }).pipe(silent),
    60_000
  )
})
