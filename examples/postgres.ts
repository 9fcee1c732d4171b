/**
 * `npx tsx examples/postgres.ts`: transfers between accounts, while connections die and a borrower is interrupted.
 * PGHOST, PGUSER, PGPASSWORD and PGDATABASE name the server; the program drops the table that it creates.
 */
import { Console, Deferred, Effect, Fiber, Logger, LogLevel } from "effect"
import { makeDatabase } from "./postgres/database.js"

const name = "effect-pools-example"
const accounts = 20

const program = Effect.gen(function*() {
  const { pool, query, transaction } = yield* makeDatabase({ application_name: name })

  yield* Effect.acquireRelease(
    query("drop table if exists pool_accounts; create table pool_accounts (id int primary key, balance int not null)"),
    () => Effect.orDie(query("drop table pool_accounts"))
  )
  yield* query("insert into pool_accounts select id, 100 from generate_series(1, $1) as id", [accounts])

  const add = (amount: number, id: number) =>
    [`update pool_accounts set balance = balance + ${amount} where id = $1`, [id]] as const

  const transfer = (from: number, to: number) =>
    transaction((ask) =>
      // in the order of their ids: two transfers never wait for each other
      Effect.forEach(from < to ? [add(-1, from), add(1, to)] : [add(1, to), add(-1, from)], (change) => ask(...change))
    )

  /** 1,000 transfers by 50 fibers, while something happens. */
  const row = <E>(event: string, happens: Effect.Effect<unknown, E>) =>
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const transfers = yield* Effect.fork(Effect.forEach(
        Array.from({ length: 1_000 }, (_, i) => i),
        (i) =>
          Effect.isSuccess(transfer(1 + i % accounts, 1 + (i * 7 + 3) % accounts)).pipe(
            Effect.tap(Deferred.succeed(begun, undefined))
          ),
        { concurrency: 50 }
      ))
      yield* Deferred.await(begun)
      yield* happens
      const results = yield* Fiber.join(transfers)
      const [{ total }] = yield* query("select sum(balance)::int as total from pool_accounts")
      return { event, failed: results.filter((isSuccess) => !isSuccess).length, total }
    })

  /** What a restart of the server does to them, too. */
  const terminateAll = query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and pid <> pg_backend_pid()",
    [name]
  )

  /** A borrower that has taken, and not yet given, when its fiber is interrupted. */
  const interruptHalfway = Effect.gen(function*() {
    const half = yield* Deferred.make<void>()
    const borrower = yield* Effect.fork(transaction((ask) =>
      ask(...add(-50, 1)).pipe(
        Effect.andThen(Deferred.succeed(half, undefined)),
        Effect.andThen(Effect.never)
      )
    ))
    yield* Deferred.await(half)
    yield* Fiber.interrupt(borrower)
  })

  yield* Console.table([
    yield* row("nothing", Effect.void),
    yield* row("the other nine connections are terminated", terminateAll),
    yield* row("a borrower is interrupted halfway", interruptHalfway)
  ])
  const { created, destroyed } = yield* pool.stats
  yield* Console.log(`${created} connections made, ${destroyed.lost} lost, ${destroyed.discarded} discarded`)
})

await Effect.runPromise(
  program.pipe(
    Effect.scoped,
    // the pool warns of lost connections
    Logger.withMinimumLogLevel(LogLevel.Error)
  )
)
