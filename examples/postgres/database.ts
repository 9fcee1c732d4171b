import { Effect } from "effect"
import { ResourcePool } from "effect-pools"
import { Client, type ClientConfig, type DatabaseError } from "pg"

const attempt = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: (cause) => cause as DatabaseError })

const cancel = (config: ClientConfig, pid: number) =>
  Effect.scoped(Effect.gen(function*() {
    const client = new Client(config).on("error", () => {})
    yield* Effect.addFinalizer(() => Effect.promise(() => client.end()))
    yield* attempt(() => client.connect().then(() => client.query("select pg_cancel_backend($1)", [pid])))
  }))

/** A connection for a pool to lend. */
const connect = (config: ClientConfig) =>
  Effect.gen(function*() {
    const client = new Client(config)
    let isOpen = true
    // before `connect`: without a listener, the `error` of a connection that dies ends the process
    const gone = new Promise<void>((resolve) => {
      const end = () => {
        isOpen = false
        resolve()
      }
      client.on("error", end).on("end", end)
    })
    // before `connect`, too, which may never end
    yield* Effect.addFinalizer(() => Effect.promise(() => client.end()))
    yield* attempt(() => client.connect())

    let running = 0
    const query = (sql: string, values: ReadonlyArray<unknown> = []) =>
      attempt(() =>
        new Promise<ReadonlyArray<any>>((resolve, reject) => {
          running++
          client.query(sql, [...values], (error, result) => {
            running--
            if (!error) return resolve(result.rows)
            // the server closes this connection: the end of the socket comes a moment later
            if ((error as DatabaseError).severity === "FATAL") isOpen = false
            reject(error)
          })
        })
      )

    const [{ pid, writable }] = yield* query(
      "select pg_backend_pid() as pid, current_setting('transaction_read_only') = 'off' as writable"
    )
    if (!writable) return yield* Effect.fail(new Error("this server takes no writes"))
    return {
      query,
      gone,
      /** No query runs, and no transaction is open. */
      isClean: () => isOpen && running === 0 && client.getTransactionStatus() === "I",
      /** Ends the running query, by a connection of its own. */
      cancel: Effect.suspend(() => isOpen ? cancel(config, pid) : Effect.void)
    }
  })

export const makeDatabase = (config: ClientConfig) =>
  Effect.gen(function*() {
    const connection = connect(config)
    const pool = yield* ResourcePool.make({
      name: "database",
      acquire: connection,
      maxSize: 10,
      maxWaiters: 1_000,
      // one deadline for waiting, connecting and checking
      acquireTimeout: "5 seconds",
      // a restart of the server that is no longer than this fails no borrower
      rideOut: "5 seconds",
      createTimeout: "5 seconds",
      // a connection that dies leaves the pool at that moment
      lost: ({ gone }) => Effect.promise(() => gone),
      // a server that stands still tells nothing: ask before lending a connection that was idle for a second
      validate: ({ query }) => Effect.as(query("select 1"), true),
      checkTimeout: "1 second",
      // a connection that is not clean is of no use to the next borrower
      onRelease: ({ cancel, isClean }) =>
        isClean() ? Effect.succeed("keep" as const) : Effect.as(cancel, "discard" as const),
      idleTimeToLive: "5 minutes",
      maxLifetime: "1 hour"
    })

    const use: typeof pool.use = (f) =>
      // the server refuses to write: another one has taken over
      Effect.tapError(
        pool.use(f),
        (error: unknown) => (error as { readonly code?: unknown }).code === "25006" ? pool.renew : Effect.void
      )

    const query = (sql: string, values?: ReadonlyArray<unknown>) => use((connection) => connection.query(sql, values))

    const transaction = <A, E, R>(body: (ask: typeof query) => Effect.Effect<A, E, R>) =>
      use(({ query }) =>
        query("begin").pipe(
          Effect.andThen(() => body(query)),
          Effect.tap(() => query("commit")),
          Effect.tapError(() => Effect.ignore(query("rollback")))
        )
      )

    return { pool, query, transaction }
  })
