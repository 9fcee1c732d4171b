/** Pools of ten connections to PostgreSQL, each used as its documentation shows. */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import pg from "pg"
import postgres from "postgres"
import { makeDatabase } from "../../examples/postgres/database.js"
import { type Row, statements } from "./books.js"
import { type Clerk, deadlineMillis } from "./clerk.js"
import { applicationName, serverConfig } from "./protocol.js"

export const size = 10
/** What a fiber waits for after a failure, as whoever asks again does. */
const pauseMillis = 100

/** Lets all clerks work at the same time, until they have enough. */
export type Drive = (clerks: ReadonlyArray<Clerk>) => Promise<unknown>

export interface Contestant {
  readonly peer: string
  readonly open: () => Promise<Drive>
}

export const peers = {
  ours: "`ResourcePool`",
  poolInEffect: "`pg.Pool` within Effect",
  pool: "`pg.Pool` in promises",
  postgres: "postgres.js",
  sql: "`@effect/sql-pg`"
}

const inEffect = (transaction: (id: number) => Effect.Effect<Row, unknown>): Drive => (clerks) =>
  Effect.forEach(
    clerks,
    (clerk) =>
      Effect.whileLoop({
        while: () => clerk.take(),
        body: () =>
          Effect.matchCauseEffect(Effect.timeout(transaction(clerk.id), deadlineMillis), {
            onSuccess: (row) => Effect.sync(() => clerk.committed(row)),
            onFailure: (cause) => {
              clerk.failed(Cause.squash(cause))
              return Effect.sleep(pauseMillis)
            }
          }),
        step: () => undefined
      }),
    { concurrency: "unbounded", discard: true }
  ).pipe(Effect.runPromise)

const withDeadline = <A>(promise: Promise<A>): Promise<A> => {
  let timer: NodeJS.Timeout
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("deadline")), deadlineMillis)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

const inPromises = (transaction: (id: number) => Promise<Row>): Drive => (clerks) =>
  Promise.all(clerks.map(async (clerk) => {
    while (clerk.take()) {
      try {
        clerk.committed(await withDeadline(transaction(clerk.id)))
      } catch (error) {
        clerk.failed(error)
        await new Promise((resolve) => setTimeout(resolve, pauseMillis))
      }
    }
  }))

/** Open until the process ends. */
const open = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
  Effect.runPromise(Effect.flatMap(Scope.make(), (scope) => Scope.extend(effect, scope)))

/** Warnings of lost connections do not belong into the table. */
const silent = Logger.replace(Logger.defaultLogger, Logger.none)

const ours: Contestant = {
  peer: peers.ours,
  open: async () => {
    const database = makeDatabase({ ...serverConfig(), application_name: applicationName })
    const { transaction } = await open(Effect.provide(database, silent))
    return inEffect((id) =>
      transaction((ask) =>
        Effect.gen(function*() {
          const [row] = yield* ask(statements.update, [id])
          yield* ask(statements.insert, [id, row.n])
          return row as Row
        })
      )
    )
  }
}

/** Its documentation asks for the listener. */
const pgPool = () =>
  new pg.Pool({
    ...serverConfig(),
    application_name: applicationName,
    max: size,
    connectionTimeoutMillis: deadlineMillis
  }).on("error", () => {})

const attempt = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: (cause) => cause as Error })

const poolInEffect: Contestant = {
  peer: peers.poolInEffect,
  open: async () => {
    const pool = pgPool()
    return inEffect((id) =>
      Effect.acquireUseRelease(
        attempt(() => pool.connect()),
        (client) =>
          Effect.gen(function*() {
            yield* attempt(() => client.query("begin"))
            const { rows: [row] } = yield* attempt(() => client.query<Row>(statements.update, [id]))
            yield* attempt(() => client.query(statements.insert, [id, row!.n]))
            yield* attempt(() => client.query("commit"))
            return row!
          }).pipe(Effect.tapError(() => Effect.ignore(attempt(() => client.query("rollback"))))),
        // what an interrupted query leaves behind is not for the next borrower
        (client, exit) => Effect.sync(() => client.release(Exit.isInterrupted(exit)))
      )
    )
  }
}

const pool: Contestant = {
  peer: peers.pool,
  open: async () => {
    const pool = pgPool()
    return inPromises(async (id) => {
      const client = await pool.connect()
      try {
        await client.query("begin")
        const { rows: [row] } = await client.query<Row>(statements.update, [id])
        await client.query(statements.insert, [id, row!.n])
        await client.query("commit")
        return row!
      } catch (error) {
        await client.query("rollback")
        throw error
      } finally {
        client.release()
      }
    })
  }
}

const postgresJs: Contestant = {
  peer: peers.postgres,
  open: async () => {
    const { user: username, ...config } = serverConfig()
    const sql = postgres({
      ...config,
      username,
      max: size,
      connect_timeout: deadlineMillis / 1_000,
      connection: { application_name: applicationName },
      onnotice: () => {}
    })
    return inPromises((id) =>
      sql.begin(async (sql) => {
        const [row] = await sql<Array<Row>>`update counters set n = n + 1 where id = ${id} returning id, n`
        await sql`insert into entries values (${id}, ${row!.n})`
        return row!
      })
    )
  }
}

const sqlPg: Contestant = {
  peer: peers.sql,
  open: async () => {
    const { password, user: username, ...config } = serverConfig()
    const layer = PgClient.layer({
      ...config,
      username,
      password: Redacted.make(password),
      maxConnections: size,
      connectTimeout: deadlineMillis,
      applicationName
    })
    const sql = await open(Effect.map(Layer.build(layer), (context) => Context.get(context, PgClient.PgClient)))
    return inEffect((id) =>
      sql.withTransaction(Effect.gen(function*() {
        const [row] = yield* sql<Row>`update counters set n = n + 1 where id = ${id} returning id, n`
        yield* sql`insert into entries values (${id}, ${row!.n})`
        return row!
      }))
    )
  }
}

export const contestants: ReadonlyArray<Contestant> = [ours, poolInEffect, pool, postgresJs, sqlPg]
