/** The step of a process in Redis, in a real Redis. */
import * as Effect from "#test/Effect"
import type * as Scope from "#test/Scope"
import { script } from "../../src/internal/permits/script.js"
import * as Redis from "../support/redis.js"
import { assert, describe, it } from "../support/vitest.js"

const keys = ["leases", "held", "limits", "asks", "queue", "reserved", "turns", "facts"].map((part) => `{test}:${part}`)
const [leases, , , , queue, reserved, , facts] = keys

/** A process as Redis sees it. */
const processOf = (redis: Redis.Redis, name: string, limit: number) => {
  const state = { epoch: "", command: 0, held: 0, asks: [] as Array<number>, spare: [] as Array<number> }
  const send = (ttl: number) =>
    Effect.map(
      redis.call(
        "EVAL",
        script,
        keys.length,
        ...keys,
        ...[
          name,
          limit,
          ttl,
          state.held,
          state.asks.join(),
          state.spare.join(),
          state.epoch,
          "{test}:news",
          state.command
        ]
      ),
      ([epoch, granted, wanted, share, yields, again, lowest, quiet]: any) => {
        state.epoch = epoch
        const ids: Array<number> = granted === "" ? [] : granted.split(",").map(Number)
        return { granted: ids, wanted, share, yields, again, lowest, quiet }
      }
    )
  return {
    name,
    state,
    /** Tells Redis its state, and takes what it is granted. */
    sync: (change: Partial<Pick<typeof state, "held" | "asks" | "spare">> = {}, ttl = 30_000) =>
      Effect.suspend(() => {
        Object.assign(state, change)
        state.command++
        return Effect.map(send(ttl), (answer) => {
          state.held += answer.granted.length
          state.asks = state.asks.filter((id) => !answer.granted.includes(id))
          state.spare = state.spare.filter((id) => !answer.granted.includes(id))
          return answer
        })
      }),
    /** Sends the last command once more. */
    repeat: Effect.suspend(() => send(30_000))
  }
}

const withRedis = <E>(
  limit: number,
  test: (fleet: {
    readonly redis: Redis.Redis
    readonly one: ReturnType<typeof processOf>
    readonly two: ReturnType<typeof processOf>
    readonly three: ReturnType<typeof processOf>
  }) => Effect.Effect<unknown, E, Scope.Scope>
) =>
  Effect.gen(function*() {
    const redis = yield* Redis.make
    const [one, two, three] = ["one", "two", "three"].map((name) => processOf(redis, name, limit))
    // Redis has just started: the first process would have to wait
    const clerk = processOf(redis, "clerk", limit)
    const { quiet } = yield* clerk.sync({ asks: [1] })
    assert.isAbove(quiet, 28_000)
    yield* redis.call("HSET", facts!, "quiet", 0)
    yield* clerk.sync({ asks: [], held: 0 })
    return yield* test({ redis, one: one!, two: two!, three: three! })
  })

describe("the step of a process in Redis", () => {
  it.scopedLive("grants up to the limit, then in the order of the asks", () =>
    withRedis(3, ({ one, three, two }) =>
      Effect.gen(function*() {
        assert.deepInclude(yield* one.sync({ asks: [1, 2] }), { granted: [1, 2], wanted: 0, again: -1 })
        assert.deepInclude(yield* two.sync({ asks: [1, 2] }), { granted: [1], wanted: 0, again: 500 })
        assert.deepInclude(yield* three.sync({ asks: [7] }), { granted: [], wanted: 1 })
        assert.deepInclude(yield* one.sync(), { granted: [], wanted: 2 })
        // two's ask came first; it gets the permit when it comes
        assert.deepInclude(yield* one.sync({ held: 1 }), { granted: [], wanted: 1 })
        assert.deepInclude(yield* three.sync(), { granted: [], wanted: 0 })
        assert.deepInclude(yield* two.sync(), { granted: [2] })
        assert.deepInclude(yield* one.sync({ held: 0 }), { granted: [], wanted: 0 })
        assert.deepInclude(yield* three.sync(), { granted: [7] })
      })))

  it.scopedLive("grants a spare permit when no borrower waits, who never waits for it", () =>
    withRedis(2, ({ one, three, two }) =>
      Effect.gen(function*() {
        assert.deepInclude(yield* one.sync({ asks: [1] }), { granted: [1] })
        assert.deepInclude(yield* two.sync({ spare: [1, 2] }), { granted: [1], wanted: 0, again: -1 })
        assert.deepInclude(yield* three.sync({ asks: [1] }), { granted: [] })
        // nobody else waits
        assert.deepInclude(yield* three.sync(), { wanted: 0 })
        assert.deepInclude(yield* one.sync({ held: 0 }), { wanted: 0 })
        assert.deepInclude(yield* two.sync(), { granted: [] })
        assert.deepInclude(yield* three.sync(), { granted: [1] })
        yield* three.sync({ held: 0 })
        assert.deepInclude(yield* two.sync(), { granted: [2] })
      })))

  it.scopedLive("gives the permit of a process that does not come for it to the next, and that process the last place", () =>
    withRedis(1, ({ one, redis, three, two }) =>
      Effect.gen(function*() {
        yield* one.sync({ asks: [1] })
        yield* two.sync({ asks: [1] })
        yield* three.sync({ asks: [1] })
        yield* one.sync({ held: 0 })
        assert.deepInclude(yield* three.sync(), { granted: [] })
        // a second later
        yield* redis.call("ZADD", reserved!, 1, "two:1")
        assert.deepInclude(yield* three.sync(), { granted: [1], wanted: 1 })
        assert.deepInclude(yield* two.sync(), { granted: [] })
        yield* three.sync({ held: 0 })
        assert.deepInclude(yield* two.sync(), { granted: [1] })
      })))

  it.scopedLive("forgets a process whose lease has ended, with its permits and places", () =>
    withRedis(2, ({ one, redis, three, two }) =>
      Effect.gen(function*() {
        yield* one.sync({ asks: [1, 2, 3] })
        yield* two.sync({ asks: [1] })
        assert.deepInclude(yield* three.sync({ asks: [1, 2] }), { granted: [] })
        yield* redis.call("ZADD", leases!, 1, "one")
        // two came before three
        assert.deepInclude(yield* three.sync(), { granted: [1], wanted: 0 })
        assert.deepInclude(yield* two.sync(), { granted: [1] })
        // its items are being closed: they count
        assert.deepInclude(yield* one.sync({ held: 2, asks: [] }), { granted: [], wanted: 1 })
        yield* two.sync({ held: 0 })
        assert.deepInclude(yield* three.sync(), { granted: [] })
        yield* one.sync({ held: 0 })
        assert.deepInclude(yield* three.sync(), { granted: [2] })
      })))

  it.scopedLive("lets those who wait ask again when the next lease ends", () =>
    withRedis(1, ({ one, two }) =>
      Effect.gen(function*() {
        yield* one.sync({ asks: [1] }, 400)
        const { again } = yield* two.sync({ asks: [1] })
        assert.isAtLeast(again, 1)
        assert.isAtMost(again, 400)
      })))

  it.scopedLive("takes what a process tells for all it has: an answer that was lost costs no permit", () =>
    withRedis(2, ({ one, two }) =>
      Effect.gen(function*() {
        yield* one.sync({ asks: [1, 2] })
        // it did not get the answer, and asks anew
        assert.deepInclude(yield* one.sync({ held: 0, asks: [3] }), { granted: [3] })
        assert.deepInclude(yield* two.sync({ asks: [1] }), { granted: [1] })
      })))

  it.scopedLive("ignores a command that arrives after a later one", () =>
    withRedis(2, ({ one, two }) =>
      Effect.gen(function*() {
        yield* one.sync({ asks: [1, 2] })
        const { command } = one.state
        yield* one.sync()
        one.state.command = command
        one.state.held = 0
        const exit = yield* Effect.exit(one.repeat)
        assert.include(JSON.stringify(exit), "STALE")
        assert.deepInclude(yield* two.sync({ asks: [1] }), { granted: [] })
      })))

  it.scopedLive("after a loss of its memory grants nothing for a time to live, while those that it knew register again", () =>
    withRedis(2, ({ one, redis, three, two }) =>
      Effect.gen(function*() {
        yield* one.sync({ asks: [1] })
        yield* two.sync({ asks: [1] })
        yield* redis.kill
        yield* redis.start
        const first = yield* three.sync({ asks: [1] })
        assert.deepInclude(first, { granted: [] })
        assert.isAbove(first.quiet, 28_000)
        assert.deepInclude(yield* one.sync(), { granted: [], wanted: 1 })
        yield* redis.call("HSET", facts!, "quiet", 1)
        // one was the only one to come back
        assert.deepInclude(yield* three.sync(), { granted: [1], quiet: 0 })
      })))

  it.scopedLive("notices a loss that only a renewal can tell of, and waits a time to live from when it was first asked", () =>
    withRedis(2, ({ one, redis, three }) =>
      Effect.gen(function*() {
        // it has run for long
        const ttl = 900
        yield* Effect.repeat(Effect.delay(redis.call("INFO", "server"), "50 millis"), {
          until: (info: string) => Number(/uptime_in_seconds:(\d+)/.exec(info)![1]) > 1
        })
        yield* one.sync({ asks: [1] }, ttl)
        yield* redis.call("FLUSHALL")
        yield* three.sync({ asks: [] }, ttl)
        yield* three.sync({ asks: [1, 2, 3] }, 60_000)
        const { quiet } = yield* one.sync({ held: 1 }, 60_000)
        assert.isAbove(quiet, 0)
        assert.isAtMost(quiet, 60_000)
      })))

  it.scopedLive("divides what others want among the processes above their share, by what they have above it", () =>
    withRedis(12, ({ one, redis, three, two }) =>
      Effect.gen(function*() {
        yield* one.sync({ asks: [1, 2, 3, 4, 5, 6, 7] })
        yield* two.sync({ asks: [1, 2, 3, 4] })
        const four = processOf(redis, "four", 12)
        assert.deepInclude(yield* four.sync({ asks: [1] }), { granted: [1], yields: 0 })
        // nobody waits
        assert.deepInclude(yield* one.sync(), { wanted: 0, share: 4, yields: 0 })
        yield* three.sync({ asks: [1, 2, 3, 4] })
        // the share is 3: one has 4 above it, two has 1
        assert.deepInclude(yield* one.sync(), { wanted: 3, share: 3, yields: 4 })
        assert.deepInclude(yield* two.sync(), { wanted: 2, share: 3, yields: 1 })
        assert.deepInclude(yield* four.sync(), { wanted: 1, share: 3, yields: 0 })
        yield* one.sync({ held: 4 })
        assert.deepInclude(yield* three.sync(), { granted: [1, 2, 3] })
        assert.deepInclude(yield* two.sync(), { wanted: 1, yields: 1 })
        assert.deepInclude(yield* one.sync(), { wanted: 1, yields: 1 })
      })))

  it.scopedLive("asks each for its part of what others want, and for all once the first has waited for a third of the lease", () =>
    withRedis(4, ({ one, redis, three, two }) =>
      Effect.gen(function*() {
        yield* one.sync({ asks: [1, 2, 3] })
        yield* two.sync({ asks: [1] })
        yield* three.sync({ asks: [1, 2] })
        assert.deepInclude(yield* one.sync(), { wanted: 2 })
        assert.deepInclude(yield* two.sync(), { wanted: 1 })
        // since a long time ago
        yield* redis.call("ZADD", queue!, "XX", 1, "three:1")
        assert.deepInclude(yield* two.sync(), { wanted: 2 })
      })))

  it.scopedLive("uses keys and channels of one hash tag only", () =>
    withRedis(1, ({ one, redis, two }) =>
      Effect.gen(function*() {
        yield* one.sync({ asks: [1] })
        yield* two.sync({ asks: [1] })
        yield* one.sync({ held: 0 })
        const used: Array<string> = yield* redis.call("KEYS", "*")
        assert.sameMembers(used.map((key) => key.slice(0, "{test}:".length)), used.map(() => "{test}:"))
        assert.includeMembers(used, [leases!, reserved!, facts!])
      })))

  it.scopedLive("takes the lowest limit of those that hold or wait, and shares it among them", () =>
    withRedis(8, ({ one, redis, two }) =>
      Effect.gen(function*() {
        assert.deepInclude(yield* one.sync({ asks: [1] }), { lowest: 8, share: 8 })
        const careful = processOf(redis, "careful", 3)
        assert.deepInclude(yield* careful.sync({ asks: [1] }), { lowest: 3, share: 1 })
        assert.deepInclude(yield* one.sync({ asks: [2, 3] }), { granted: [2], lowest: 3, share: 1 })
        yield* careful.sync({ held: 0 })
        assert.deepInclude(yield* one.sync(), { granted: [3], lowest: 8, share: 8 })
        assert.deepInclude(yield* two.sync({ asks: [1] }), { granted: [1], share: 4 })
      })))
})
