/** A limit of several processes, over a real Redis. */
import * as ConfigProvider from "#test/ConfigProvider"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Layer from "#test/Layer"
import * as Scope from "#test/Scope"
import type { PoolError } from "effect-pools/PoolError"
import * as RedisPermits from "effect-pools/RedisPermits"
import * as ResourcePool from "effect-pools/ResourcePool"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import * as Duration from "effect/Duration"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { servers, urlOf } from "../support/fleet.js"
import { withLogs } from "../support/logs.js"
import { failureOf, makeSource } from "../support/pool.js"
import { listen } from "../support/ports.js"
import * as Processes from "../support/processes.js"
import * as Redis from "../support/redis.js"
import { assert, describe, it } from "../support/vitest.js"

/** Waits until the condition holds. */
const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(Effect.delay(condition, "5 millis"), { until: (holds) => holds })

/** Redis has run for long: no process has to wait for those of an earlier one. */
const settled = (redis: Redis.Redis, key: string) =>
  Effect.andThen(
    redis.call("HSET", `{${key}}:facts`, "epoch", "first", "quiet", 0),
    redis.call("HSET", `{${key}}:facts`, "born", 0)
  )

const setUp = (options: Partial<RedisPermits.Options> = {}) =>
  Effect.gen(function*() {
    const redis = yield* Redis.make
    const given = { url: redis.url, key: "test", limit: 2, ...options }
    yield* settled(redis, "test")
    const held = (permits: RedisPermits.Service) => Effect.map(permits.stats, ({ held }) => held)
    return {
      redis,
      options: given,
      held,
      join: (own: Partial<RedisPermits.Options> = {}) => RedisPermits.make({ ...given, ...own }),
      /** A permit in a scope of its own. */
      take: (permits: RedisPermits.Service) =>
        Effect.gen(function*() {
          const scope = yield* Scope.make()
          const close = () => Scope.close(scope, Exit.void)
          const permit = yield* Effect.onExit(
            Scope.extend(permits.permit("borrower"), scope),
            (exit) => Exit.isSuccess(exit) ? Effect.void : close()
          )
          return { ...permit, giveBack: close() }
        })
    }
  })

/** A process of its own, and what it said. */
const startHolder = (options: RedisPermits.Options) =>
  Effect.gen(function*() {
    const fixture = fileURLToPath(new URL("./fixtures/holder.ts", import.meta.url))
    const running = yield* Effect.acquireRelease(
      Effect.sync(() => Processes.run(fixture, [JSON.stringify(options)])),
      (running) => Effect.promise(() => running.kill())
    )
    const lines: Array<any> = []
    createInterface({ input: running.child.stdout }).on("line", (line) => {
      // the others are log lines
      if (line.startsWith("{")) lines.push(JSON.parse(line))
    })
    const said = (what: string) => until(Effect.sync(() => lines.some((line) => what in line)))
    yield* said("ready")
    return {
      running,
      lines,
      said,
      tell: (line: string) => Effect.sync(() => void running.child.stdin.write(`${line}\n`))
    }
  })

/** Passes on TCP connections, until it is stalled: those that are open then pass nothing more. */
const makeLine = (target: number) =>
  Effect.gen(function*() {
    const pairs = new Set<readonly [Socket, Socket]>()
    const server = yield* Effect.acquireRelease(
      Effect.promise(() =>
        listen(
          createServer((from) => {
            const pair = [from, connect(target, "127.0.0.1")] as const
            pairs.add(pair)
            pair[0].pipe(pair[1]).pipe(pair[0])
            for (const one of pair) {
              one.on("error", () => {}).on("close", () => pair.forEach((other) => other.destroy()))
            }
          }),
          0
        )
      ),
      (server) =>
        Effect.sync(() => {
          server.close()
          for (const pair of pairs) for (const one of pair) one.destroy()
        })
    )
    return {
      port: (server.address() as AddressInfo).port,
      connections: () => pairs.size,
      stall: () => {
        for (const [from, to] of pairs) {
          from.unpipe()
          to.unpipe()
          from.pause()
          to.pause()
        }
      }
    }
  })

// a connection that passes nothing is given up after a second
const brisk = { timeToLive: "9 seconds", closeTimeout: "1 second" } as const
// short, for leases that have to end
const short = { timeToLive: "3 seconds", closeTimeout: "500 millis" } as const

describe("a limit over Redis", () => {
  it.scopedLive("is shared by all processes: one that waits gets the permit that another gives back", () =>
    Effect.gen(function*() {
      const { held, join, take } = yield* setUp()
      const [one, two] = [yield* join(), yield* join()]
      const first = yield* take(one)
      yield* take(one)
      const waiter = yield* Effect.fork(take(two))
      yield* until(Effect.map(two.stats, ({ commands, waiting }) => commands > 0 && waiting === 1))
      yield* first.giveBack
      yield* Fiber.join(waiter)
      assert.deepStrictEqual([yield* held(one), yield* held(two)], [1, 1])
    }))

  it.scopedLive("an ask that is interrupted costs no permit", () =>
    Effect.gen(function*() {
      const { join, take } = yield* setUp({ limit: 1 })
      const [one, two] = [yield* join(), yield* join()]
      const first = yield* take(one)
      const waiter = yield* Effect.fork(take(two))
      yield* until(Effect.map(two.stats, ({ commands, waiting }) => commands > 0 && waiting === 1))
      yield* Fiber.interrupt(waiter)
      yield* first.giveBack
      const again = yield* take(one)
      yield* again.giveBack
      yield* take(two)
    }))

  it.scopedLive("tells who holds permits how many others want, and an idle pool gives back what it does not use", () =>
    Effect.gen(function*() {
      const { join } = yield* setUp({ limit: 3 })
      const poolOf = (source: ReturnType<typeof makeSource>, minSize: number) =>
        Effect.flatMap(
          join(),
          ({ permit }) => ResourcePool.make({ acquire: source.acquire, maxSize: 3, minSize, permit })
        )
      const sources = [makeSource(), makeSource()] as const
      const idle = yield* poolOf(sources[0], 3)
      yield* idle.ready
      const busy = yield* poolOf(sources[1], 0)
      const leases = yield* Effect.replicateEffect(busy.acquire, 2)
      assert.deepInclude((yield* idle.stats).permits, { held: 1, givenBack: 2 })
      assert.strictEqual(sources[0].closed.length, 2)
      yield* Effect.forEach(leases, (lease) => lease.release())
    }))

  it.scopedLive("takes from a process above its share, also what is in use, and leaves it its share", () =>
    Effect.gen(function*() {
      const { held, join, take } = yield* setUp({ limit: 4 })
      const [one, two] = [yield* join(), yield* join()]
      const permits = yield* Effect.replicateEffect(take(one), 4)
      const waiters = yield* Effect.forEach([1, 2, 3], () => Effect.fork(take(two)))
      // the newest first
      for (const at of [3, 2]) {
        yield* permits[at]!.lost!
        assert.strictEqual(permits[at]!.standing!(), "Lost")
        yield* permits[at]!.giveBack
      }
      yield* Fiber.join(waiters[0]!)
      yield* Fiber.join(waiters[1]!)
      assert.deepStrictEqual([yield* held(one), yield* held(two)], [2, 2])
      assert.strictEqual(permits[1]!.standing!(), "Valid")
      yield* permits[1]!.giveBack
      yield* Fiber.join(waiters[2]!)
    }))

  it.scopedLive("is the lowest, where processes differ; a warning names both", () =>
    withLogs((lines) =>
      Effect.gen(function*() {
        const { join, take } = yield* setUp({ limit: 3 })
        const [one, two] = [yield* join(), yield* join({ limit: 5 })]
        yield* take(one)
        yield* take(two)
        assert.strictEqual((yield* two.stats).limit, 3)
        yield* until(Effect.sync(() => lines.length > 0))
        assert.deepInclude(lines[0]!.annotations, { event: "LimitsDiffer", own: 5, lowest: 3 })
      })
    ))

  it.scopedLive("names Redis in its error while there is none, and works when Redis comes; its log tells both once", () =>
    withLogs((lines) =>
      Effect.gen(function*() {
        const { join, redis, take } = yield* setUp()
        yield* redis.kill
        const permits = yield* join()
        const error = yield* Effect.flip(take(permits))
        assert.instanceOf(error, RedisPermits.RedisPermitsError)
        assert.strictEqual(error.reason, "Unreachable")
        assert.include(error.message, `Redis at 127.0.0.1:${redis.port} cannot be reached: connect ECONNREFUSED`)
        const pool = yield* SessionPool.make({ url: urlOf("a"), permit: permits.permit })
        const refused = yield* Effect.flip(pool.use(() => Effect.void))
        assert.include(refused.message, `Redis at 127.0.0.1:${redis.port}`)
        yield* pool.close
        yield* redis.start
        yield* settled(redis, "test")
        yield* Effect.retry(take(permits), { while: () => true })
        const told = lines.map(({ annotations }) => annotations["event"]).filter((event) =>
          String(event).startsWith("Redis")
        )
        assert.deepStrictEqual(told, ["RedisFailing", "RedisBack"])
      })
    ).pipe(Effect.provide(servers)))

  it.scopedLive("a borrower that waits for an empty Redis is told so, not of the failure before", () =>
    Effect.gen(function*() {
      const { join, redis } = yield* setUp({ timeToLive: "1 hour" })
      const { permit } = yield* join()
      const pool = yield* ResourcePool.make({ acquire: makeSource().acquire, permit, acquireTimeout: "100 millis" })
      const refused = Effect.flip(pool.useSync(() => undefined))
      const told = (text: string) => Effect.repeat(refused, { until: ({ message }) => message.includes(text) })
      yield* redis.kill
      yield* told("Unreachable: Redis at")
      yield* redis.start
      const error = yield* told("No permit came: Redis has just started, or lost its memory")
      assert.strictEqual((error as PoolError).reason, "AcquireTimeout")
      assert.notInclude(error.message, "Unreachable")
      assert.isUndefined(error.cause)
    }))

  it.scopedLive("a borrower that waits for a full limit is told so", () =>
    Effect.gen(function*() {
      const { join, take } = yield* setUp({ limit: 1 })
      const permits = yield* join()
      yield* take(permits)
      const { permit } = permits
      const pool = yield* ResourcePool.make({ acquire: makeSource().acquire, permit, acquireTimeout: "100 millis" })
      yield* Effect.repeat(Effect.flip(pool.useSync(() => undefined)), {
        until: ({ message }) => message.includes("No permit came: all 1 of the fleet are held")
      })
    }))

  it.scopedLive("a key that holds something else is named, with its remedy", () =>
    Effect.gen(function*() {
      const { join, redis, take } = yield* setUp()
      yield* redis.call("SET", "{test}:queue", "of another program")
      const error = yield* Effect.flip(take(yield* join()))
      assert.strictEqual(error.reason, "Refused")
      assert.include(error.message, "WRONGTYPE")
      assert.include(error.message, "another program uses a key that begins with {test}:")
      assert.notInclude(error.message, "EVALSHA")
    }))

  it.scopedLive(
    "holds after Redis lost its memory: the permits that are out count, and nothing is granted at first",
    () =>
      withLogs((lines) =>
        Effect.gen(function*() {
          const { join, redis, take } = yield* setUp({ limit: 2 })
          const [one, two] = [yield* join(), yield* join()]
          const first = yield* take(one)
          yield* redis.kill
          yield* redis.start
          // it registers again as soon as it is connected
          yield* until(Effect.map(redis.call("HVALS", "{test}:held"), ([held]) => held === "1"))
          yield* until(Effect.sync(() => lines.some(({ annotations }) => annotations["event"] === "RedisEmpty")))
          const waits = (count: number) =>
            until(Effect.map(redis.call("ZCARD", "{test}:queue"), (waiting) => waiting === count))
          const early = yield* Effect.fork(Effect.retry(take(two), { while: () => true }))
          yield* waits(1)
          assert.strictEqual((yield* two.stats).held, 0)
          yield* Fiber.interrupt(early)
          yield* waits(0)
          // a time to live later
          yield* redis.call("HSET", "{test}:facts", "quiet", 0)
          yield* take(two)
          const waiter = yield* Effect.fork(take(two))
          yield* waits(1)
          assert.strictEqual((yield* two.stats).held, 1)
          yield* first.giveBack
          yield* Fiber.join(waiter)
        })
      ),
    60_000
  )

  it.scopedLive(
    "while Redis hangs, permits are lost, then over; they are granted again once it goes on",
    () =>
      Effect.gen(function*() {
        const { join, redis, take } = yield* setUp(short)
        const permits = yield* join()
        const first = yield* take(permits)
        const resume = yield* redis.suspend
        const error = yield* Effect.flip(take(permits))
        assert.include(error.message, `Redis at 127.0.0.1:${redis.port}`)
        yield* first.lost!
        yield* first.expired!
        assert.strictEqual(first.standing!(), "Expired")
        yield* first.giveBack
        yield* resume
        const again = yield* Effect.retry(take(permits), { while: () => true })
        assert.strictEqual(again.standing!(), "Valid")
      }),
    60_000
  )

  it.scopedLive(
    "an ask that failed counts for nothing when others want what its pool has",
    () =>
      Effect.gen(function*() {
        const { join, redis, take } = yield* setUp({ limit: 1, ...brisk })
        const permits = yield* join()
        const pool = yield* ResourcePool.make({ acquire: makeSource().acquire, permit: permits.permit })
        const lease = yield* pool.acquire
        const resume = yield* redis.suspend
        const waiter = yield* Effect.fork(pool.use(() => Effect.void))
        yield* until(Effect.map(permits.stats, ({ failures }) => failures > 0))
        yield* resume
        yield* lease.release()
        yield* Fiber.join(waiter)
        yield* take(yield* join())
        assert.deepInclude((yield* pool.stats).permits, { held: 0 })
      }),
    60_000
  )

  it.scopedLive("a connection that passes nothing is replaced; the permits live on", () =>
    Effect.gen(function*() {
      const { redis, take } = yield* setUp()
      const line = yield* makeLine(redis.port)
      const permits = yield* RedisPermits.make({
        url: `redis://127.0.0.1:${line.port}`,
        key: "test",
        limit: 2,
        ...brisk
      })
      const first = yield* take(permits)
      line.stall()
      const error = yield* Effect.flip(take(permits))
      assert.strictEqual(error.reason, "Unreachable")
      yield* Effect.retry(take(permits), { while: () => true })
      // the connection for the news is as it was
      assert.isAtLeast(line.connections(), 3)
      assert.strictEqual(first.standing!(), "Valid")
    }), 60_000)

  it.scopedLive(
    "five idle processes give one that starves what it wants, one of them what is under a StreamPool",
    () =>
      Effect.gen(function*() {
        const { join } = yield* setUp({ limit: 10 })
        const options = Effect.map(join(), ({ permit }) => ({ url: urlOf("a"), maxSize: 10, permit }))
        const open = (pool: SessionPool.Service, count: number) =>
          Effect.flatMap(
            Effect.replicateEffect(pool.acquire, count),
            (leases) => Effect.forEach(leases, (lease) => lease.release())
          )
        const idle = yield* Effect.replicateEffect(Effect.flatMap(options, SessionPool.make), 5)
        const streams = yield* StreamPool.make({ sessionPool: idle[0]!, maxStreamsPerSession: 1, maxSize: 2 })
        yield* Effect.flatMap(
          Effect.replicateEffect(streams.acquire, 2),
          (leases) => Effect.forEach(leases, (lease) => lease.release())
        )
        yield* Effect.forEach(idle.slice(1), (pool) => open(pool, 2))
        assert.strictEqual((yield* idle[0]!.stats).permits!.held, 2)
        const starving = yield* Effect.flatMap(options, SessionPool.make)
        const leases = yield* Effect.all(Array.from({ length: 10 }, () => starving.acquire), {
          concurrency: "unbounded"
        })
        assert.strictEqual((yield* idle[0]!.stats).permits!.held, 0)
        yield* Effect.forEach(leases, (lease) => lease.release())
      }).pipe(Effect.provide(servers)),
    60_000
  )

  it.scopedLive(
    "two pools of a process give back together what others want, and no more",
    () =>
      Effect.gen(function*() {
        const { join, take } = yield* setUp({ limit: 8 })
        const { permit } = yield* join()
        const pools = yield* Effect.replicateEffect(ResourcePool.make({ acquire: makeSource().acquire, permit }), 2)
        yield* Effect.forEach(pools, (pool) =>
          Effect.flatMap(
            Effect.replicateEffect(pool.acquire, 4),
            (leases) => Effect.forEach(leases, (lease) => lease.release())
          ))
        const other = yield* join()
        yield* Effect.all([take(other), take(other)], { concurrency: "unbounded" })
        const kept = yield* Effect.forEach(pools, (pool) => Effect.map(pool.stats, ({ permits }) => permits!.held))
        assert.deepStrictEqual(kept, [3, 3])
      }),
    60_000
  )

  it.scopedLive(
    "a pool that waits gets the permit of an idle item of another pool of its process",
    () =>
      Effect.gen(function*() {
        const { join } = yield* setUp({ limit: 1 })
        const { permit } = yield* join()
        const make = ResourcePool.make({ acquire: makeSource().acquire, permit })
        const [first, second] = [yield* make, yield* make]
        for (const pool of [first, second, first, second]) yield* pool.use(() => Effect.void)
        assert.strictEqual((yield* first.stats).permits!.givenBack, 2)
      }),
    60_000
  )

  it.scopedLive(
    "demand reaches a process that hears no news, in the answer to its next renewal",
    () =>
      Effect.gen(function*() {
        const { join, redis, take } = yield* setUp({ limit: 1, ...short })
        // the user may neither publish nor subscribe
        yield* redis.call("ACL", "SETUSER", "deaf", "on", "nopass", "~*", "+@all", "resetchannels")
        const deaf = { url: `redis://deaf:any@127.0.0.1:${redis.port}` }
        const idle = yield* Effect.flatMap(
          join(deaf),
          ({ permit }) => ResourcePool.make({ acquire: makeSource().acquire, permit })
        )
        yield* idle.use(() => Effect.void)
        const other = yield* join(deaf)
        yield* take(other)
        assert.deepInclude((yield* idle.stats).permits, { held: 0, givenBack: 1 })
        // it heard no other way
        assert.deepStrictEqual(yield* redis.call("PUBSUB", "NUMSUB", "{test}:news"), ["{test}:news", 0])
      }),
    60_000
  )

  it.scopedLive(
    "at rest costs one command per process and third of timeToLive, whatever number of permits",
    () =>
      Effect.gen(function*() {
        const { join, redis, take } = yield* setUp({ limit: 40, ...short })
        const fleet = yield* Effect.replicateEffect(join(), 3)
        const permits = yield* Effect.forEach(fleet, (one) => Effect.replicateEffect(take(one), 10))
        const calls = Effect.map(redis.call("INFO", "commandstats"), (info: string) =>
          // of the script, not of the commands in it
          [...info.matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g)].reduce((sum, [, calls]) => sum + Number(calls), 0))
        const clock = Effect.map(
          redis.call("TIME"),
          ([seconds, micros]) => Number(seconds) * 1_000 + Number(micros) / 1_000
        )
        // from one renewal to another
        const sent = yield* Effect.map(fleet[0]!.stats, ({ commands }) => commands)
        const renewed = (count: number) =>
          until(Effect.map(fleet[0]!.stats, ({ commands }) => commands >= sent + count))
        yield* renewed(1)
        const before = { calls: yield* calls, at: yield* clock }
        yield* renewed(4)
        const [after, took] = [yield* calls, (yield* clock) - before.at]
        assert.isAtLeast(after - before.calls, 3)
        // each process may be due once more than the time has thirds of timeToLive
        assert.isAtMost(after - before.calls, 3 * (took / 1_000 + 1))
        yield* Effect.forEach(permits.flat(), ({ giveBack }) => giveBack)
      }),
    60_000
  )

  it.scopedLive("an idle process costs nothing", () =>
    Effect.gen(function*() {
      const { join, redis, take } = yield* setUp(short)
      const permits = yield* join()
      const permit = yield* take(permits)
      yield* permit.giveBack
      // Redis has forgotten it
      yield* until(Effect.map(redis.call("EXISTS", "{test}:leases"), (exists) => exists === 0))
      const { commands } = yield* permits.stats
      const [other] = [yield* join()]
      yield* take(other)
      const { commands: before } = yield* other.stats
      yield* until(Effect.map(other.stats, ({ commands }) => commands >= before + 2))
      assert.strictEqual((yield* permits.stats).commands, commands)
    }), 60_000)

  it.scopedLive(
    "while Redis is away, present items are lent on, and the error of a borrower that waited names Redis",
    () =>
      Effect.gen(function*() {
        const { join, redis } = yield* setUp({ limit: 2 })
        const source = makeSource()
        const pool = yield* Effect.flatMap(
          join(),
          ({ permit }) =>
            ResourcePool.make({
              acquire: source.acquire,
              maxSize: 2,
              permit,
              acquireTimeout: "1 second",
              rideOut: "1 hour"
            })
        )
        const lease = yield* pool.acquire
        yield* redis.kill
        const exit = yield* Effect.exit(pool.acquire)
        assert.include(failureOf(exit), `Redis at 127.0.0.1:${redis.port}`)
        yield* lease.release()
        assert.strictEqual(yield* pool.use((item) => Effect.succeed(item.id)), 1)
      }),
    60_000
  )

  it.scopedLive("gives the permits of a process that was killed to others", () =>
    Effect.gen(function*() {
      const { join, options, redis, take } = yield* setUp({ limit: 2 })
      const other = yield* startHolder(options)
      yield* other.tell("borrow")
      yield* other.tell("borrow")
      yield* until(Effect.sync(() => other.lines.filter((line) => "borrowed" in line).length === 2))
      yield* Effect.promise(() => other.running.kill())
      // a time to live later
      const [dead] = yield* redis.call("ZRANGE", "{test}:leases", 0, -1)
      yield* redis.call("ZADD", "{test}:leases", 1, dead)
      const permits = yield* join()
      yield* Effect.replicateEffect(take(permits), 2)
    }), 60_000)

  it.scopedLive(
    "a process that goes on after a stop lends nothing whose permit others have, and closes it",
    () =>
      Effect.gen(function*() {
        const { join, options, take } = yield* setUp({ limit: 1, ...short })
        const other = yield* startHolder(options)
        yield* other.tell("use")
        yield* other.said("used")
        const all = (what: string) => other.lines.flatMap((line) => what in line ? [line[what]] : [])
        const before = all("opened")
        const closed = Effect.sync(() => before.every((id) => all("closed").includes(id)))
        process.kill(other.running.pid, "SIGSTOP")
        // it is there before any timer of the process
        yield* other.tell("use")
        const permits = yield* join()
        const permit = yield* take(permits)
        process.kill(other.running.pid, "SIGCONT")
        yield* until(closed)
        yield* permit.giveBack
        yield* until(Effect.sync(() => all("used").length === 2))
        assert.notInclude(before, all("used")[1])
      }),
    60_000
  )

  it.scopedLive("takes any time to live: a fraction of a millisecond, and weeks", () =>
    Effect.gen(function*() {
      const { join, redis, take } = yield* setUp()
      for (const timeToLive of [20_000.25, 24 * 86_400_000]) {
        yield* settled(redis, `for ${timeToLive}`)
        const permit = yield* take(yield* join({ key: `for ${timeToLive}`, timeToLive }))
        assert.strictEqual(permit.standing!(), "Valid")
        yield* permit.giveBack
      }
    }))

  it.scopedLive("an ask whose scope closes while it waits is over", () =>
    Effect.gen(function*() {
      const { join, take } = yield* setUp({ limit: 1 })
      const permits = yield* join()
      yield* take(permits)
      const scope = yield* Scope.make()
      const waiter = yield* Effect.fork(Effect.flip(Scope.extend(permits.permit("borrower"), scope)))
      yield* until(Effect.map(permits.stats, ({ waiting }) => waiting === 1))
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Fiber.join(waiter)).reason, "Closed")
      assert.strictEqual((yield* permits.stats).waiting, 0)
    }))

  it.scopedLive("ends with its scope: permits are over, asks fail", () =>
    Effect.gen(function*() {
      const { join, take } = yield* setUp({ limit: 1 })
      const scope = yield* Scope.make()
      const permits = yield* Scope.extend(join(), scope)
      const permit = yield* take(permits)
      const waiter = yield* Effect.fork(Effect.flip(take(permits)))
      yield* until(Effect.map(permits.stats, ({ waiting }) => waiting === 1))
      yield* Scope.close(scope, Exit.void)
      yield* permit.expired!
      assert.strictEqual((yield* Fiber.join(waiter)).reason, "Closed")
      assert.strictEqual((yield* Effect.flip(take(permits))).reason, "Closed")
      yield* permit.giveBack
    }))

  it.scopedLive("reads its options from a Config, and names the key of a value that makes no sense", () =>
    Effect.gen(function*() {
      const given = { URL: "redis://localhost", KEY: "test", LIMIT: "7", CLOSE_TIMEOUT: "1 second" }
      const from = <A, E, R>(entries: Record<string, string>, effect: Effect.Effect<A, E, R>) =>
        Effect.withConfigProvider(effect, ConfigProvider.fromMap(new Map(Object.entries(entries))))
      assert.deepStrictEqual(yield* from(given, RedisPermits.config), {
        name: "RedisPermits",
        url: "redis://localhost",
        key: "test",
        limit: 7,
        timeToLive: Duration.seconds(30),
        closeTimeout: Duration.seconds(1)
      })
      const exit = yield* from(
        { ...given, TIME_TO_LIVE: "3 seconds" },
        Effect.exit(Layer.build(RedisPermits.layerConfig(RedisPermits.config)))
      )
      assert.include(String(exit), "TIME_TO_LIVE")
    }))

  it("refuses options that make no sense, by name, and shows no password", async () => {
    const refused = async (options: RedisPermits.Options) => {
      const exit = await Effect.runPromiseExit(Effect.scoped(RedisPermits.make(options)))
      return failureOf(exit)
    }
    const right = { url: "redis://localhost", key: "test", limit: 1 }
    assert.include(await refused({ ...right, limit: 0 }), "limit must be a whole number of 1 or more, but was 0")
    assert.include(await refused({ ...right, key: "{a}" }), "key must be a name without braces")
    const wrong = await refused({ ...right, url: "http://user:secret@host" })
    assert.include(wrong, "url must be a URL")
    assert.notInclude(wrong, "secret")
    assert.include(
      await refused({ ...right, timeToLive: "15 seconds" }),
      "timeToLive must be at most 24 days, and more than 3 times closeTimeout (5s), but was 15s"
    )
    // a default may be what is wrong
    assert.include(
      await refused({ ...right, closeTimeout: "20 seconds" }),
      "more than 3 times closeTimeout (20s), but was 30s"
    )
    assert.include(await refused({ ...right, timeToLive: "300 days" }), "at most 24 days")
    assert.include(await refused({ ...right, url: "redis:localhost" }), "for TLS, but had no host")
    assert.include(await refused({ ...right, url: "localhost" }), "for TLS, but was none")
  })
})
