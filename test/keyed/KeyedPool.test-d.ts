/** Code that the compiler has to accept or refuse; checked with the types, never run. */
import * as Effect from "#test/Effect"
import type * as Layer from "#test/Layer"
import type * as Scope from "#test/Scope"
import * as KeyedPool from "effect-pools/KeyedPool"
import type { PoolError } from "effect-pools/PoolError"
import type * as RedisPermits from "effect-pools/RedisPermits"

interface Db {
  readonly query: (sql: string) => Effect.Effect<number>
}

declare const pool: KeyedPool.KeyedPool<string, Db, "Down">
declare const connect: (tenant: string) => Effect.Effect<Db, "Down", Scope.Scope | "Config">

declare const expect: <A>(value: A) => void

expect<Effect.Effect<number, "Down" | PoolError | "mine", "Own">>(
  pool.use("a", (db) => db.query("") as Effect.Effect<number, "mine", "Own">)
)
expect<Effect.Effect<Db, "Down" | PoolError, Scope.Scope>>(pool.get("a"))
expect<Effect.Effect<number>>(pool.renew())
expect<Effect.Effect<number>>(pool.renew("a"))
expect<Effect.Effect<number, "Down" | PoolError>>(pool.pipe(KeyedPool.use("a", (db: Db) => db.query(""))))
// @ts-expect-error: the key of another type
expect(pool.get(1))
// the requirements of the hooks are those of `make`, without the scope of an item
expect<Effect.Effect<KeyedPool.KeyedPool<string, Db, "Down">, never, Scope.Scope | "Config">>(
  KeyedPool.make({
    acquire: connect,
    maxSize: (tenant) => tenant.length,
    acquireTimeout: () => "1 second",
    order: "fifo",
    concurrency: (_db, tenant) => tenant.length,
    rideOut: (_cause, tenant) => tenant.length,
    lost: (db, tenant) => db.query(tenant)
  })
)
// the error of the permit is one of the pool, whatever errors `acquire` has
declare const permits: RedisPermits.Service
declare class Refused {
  readonly _tag: "Refused"
}
declare const refusing: (key: string) => Effect.Effect<number, Refused>
expect<
  Effect.Effect<
    KeyedPool.KeyedPool<string, number, Refused | RedisPermits.RedisPermitsError>,
    never,
    Scope.Scope
  >
>(KeyedPool.make({ acquire: refusing, permit: permits.permit }))
// a function returns a value
// @ts-expect-error: undefined is none
expect(KeyedPool.make({ acquire: connect, maxSize: () => undefined }))
// a pool for more keys serves fewer
declare const any: KeyedPool.KeyedPool<string | number, Db, never>
expect<KeyedPool.KeyedPool<string, Db, "Down">>(any)

class Tenants extends KeyedPool.Tag("app/Tenants")<Tenants, string, Db, "Down">() {}
expect<Layer.Layer<Tenants, never, "Config">>(Tenants.layer({ acquire: connect }))
