/**
 * `npx tsx examples/redis.ts`: transactions of Redis (`WATCH` … `EXEC`) on pooled connections of `ioredis`. The server is
 * killed in the middle, with `kill -9`, and starts again: each transfer is made exactly once. It needs `redis-server`.
 */
import { Console, Effect, Exit, Logger, LogLevel } from "effect"
import { PoolError, ResourcePool } from "effect-pools"
import { Redis, type RedisOptions } from "ioredis"
import { startRedis } from "./support/redis.js"

const attempt = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: (cause) => cause as Error })

// --- the pool

/** A connection for a pool to lend. When it dies it stays dead: the pool makes another one. */
const connect = (options: RedisOptions) =>
  Effect.gen(function*() {
    let trouble: Error | undefined
    const redis = yield* Effect.acquireRelease(
      Effect.sync(() =>
        new Redis({ ...options, lazyConnect: true, retryStrategy: null, enableOfflineQueue: false })
          // before `connect`; it has the reason why a connect fails
          .on("error", (error: Error) => trouble = error)
      ),
      (redis) => Effect.sync(() => redis.disconnect())
    )
    const gone = new Promise<void>((resolve) => redis.once("end", () => resolve()))
    yield* Effect.mapError(attempt(() => redis.connect()), (error) => trouble ?? error)
    return { redis, gone }
  })

const makePool = (options: RedisOptions) => {
  const connection = connect(options)
  return ResourcePool.make({
    name: "redis",
    acquire: connection,
    maxSize: 4,
    acquireTimeout: "30 seconds",
    // a restart of the server that is no longer than this fails no borrower without a connection
    rideOut: "20 seconds",
    lost: ({ gone }) => Effect.promise(() => gone),
    // a server that stands still tells nothing
    validate: ({ redis }) => Effect.as(attempt(() => redis.ping()), true),
    // a borrower that did not succeed may leave keys watched
    onRelease: (_, exit) => Effect.succeed(Exit.isSuccess(exit) ? "keep" : "discard")
  })
}

type Pool = Effect.Effect.Success<ReturnType<typeof makePool>>

// --- its use

/** Moves 1 from an account to another one, once for each id, however often it is called. */
const transfer = (pool: Pool, id: number, from: string, to: string) =>
  pool.use(({ redis }) =>
    Effect.gen(function*() {
      const mark = `transfer ${id}`
      yield* attempt(() => redis.watch(mark, from))
      const [isDone, balance] = yield* attempt(() => redis.mget(mark, from))
      if (isDone !== null || Number(balance) < 1) {
        yield* attempt(() => redis.unwatch())
        return isDone === null ? "poor" : "done"
      }
      const answers = yield* attempt(() => redis.multi().set(mark, 1).decr(from).incr(to).incr("transfers").exec())
      // null: a watched key has changed meanwhile
      return answers === null ? "conflict" : "done"
    })
  ).pipe(
    Effect.repeat({ while: (outcome) => outcome === "conflict" }),
    // the mark tells whether an attempt that failed was made after all
    Effect.retry({ while: (error) => !(error instanceof PoolError.PoolError), times: 100 })
  )

const accounts = Array.from({ length: 10 }, (_, i) => `account ${i}`)
const count = 500

const program = Effect.gen(function*() {
  const server = yield* startRedis
  const pool = yield* makePool(server.options)
  yield* pool.use(({ redis }) => attempt(() => redis.mset(Object.fromEntries(accounts.map((name) => [name, 1_000])))))

  let made = 0
  yield* Effect.forEach(
    Array.from({ length: count }, (_, id) => id),
    (id) =>
      transfer(pool, id, accounts[id % 10]!, accounts[(id * 7 + 3) % 10]!).pipe(
        Effect.tap(() => ++made === count / 2 ? server.restart : Effect.void)
      ),
    { concurrency: 20, discard: true }
  )

  const [transfers, ...balances] = yield* pool.use(({ redis }) => attempt(() => redis.mget("transfers", ...accounts)))
  const sum = balances.reduce((sum, balance) => sum + Number(balance), 0)
  yield* Console.log(`${transfers} transfers, each made once; the sum is still ${sum}`)
  const { destroyed } = yield* pool.stats
  // the pool hears of a death from the connection, or from the borrower that failed
  const dead = destroyed.lost + destroyed.discarded
  yield* Console.log(`connections that died with the server: ${dead > 0 ? "replaced" : "none"}`)
}).pipe(Effect.scoped)

// without the pool's lines about the outage
await Effect.runPromise(Logger.withMinimumLogLevel(program, LogLevel.Error))
