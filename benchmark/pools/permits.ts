/** Permits of a fleet, taken and given back through one Redis. */
import * as Effect from "#test/Effect"
import { Redis } from "ioredis"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { setTimeout as delay } from "node:timers/promises"
import * as RedisPermits from "../../src/RedisPermits.js"
import { freePort } from "../../test/support/ports.js"
import { redisProblem } from "../../test/support/redisProgram.js"
import { number, table, whole } from "../harness/format.js"
import type { Entry, Fixture, Group, Requirement, Results } from "../harness/model.js"
import { open } from "./peers.js"

const group = "permits"
const borrowers = 64

const cases = [
  { peer: "one process, a permit for each borrower", holders: 1, limit: borrowers },
  { peer: "one process, 8 permits", holders: 1, limit: 8 },
  { peer: "4 processes, 8 permits", holders: 4, limit: 8 }
]

const start = async (): Promise<Fixture> => {
  const port = await freePort()
  const server = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--save", ""], {
    stdio: "ignore"
  })
  const url = `redis://127.0.0.1:${port}`
  return {
    env: { BENCHMARK_REDIS: url },
    stop: () => {
      const ended = once(server, "exit")
      server.kill("SIGKILL")
      return ended
    }
  }
}

const entry = ({ holders, limit, peer }: (typeof cases)[number]): Entry => ({
  peer,
  limit: 60,
  measure: async ({ quick, warmupMillis }) => {
    const options = { url: process.env["BENCHMARK_REDIS"]!, key: crypto.randomUUID(), limit }
    // a Redis that has just started would grant nothing for a while
    const redis = new Redis(options.url)
    await redis.hset(`{${options.key}}:facts`, { epoch: "first", quiet: 0, born: 0 })
    redis.disconnect()
    const fleet = await Promise.all(Array.from({ length: holders }, () => open(RedisPermits.make(options))))
    let taken = 0
    const borrower = (number: number) => {
      const { permit } = fleet[number % holders]!
      const borrow = Effect.scoped(Effect.tap(permit("borrower"), () => {
        taken++
        return Effect.yieldNow()
      }))
      return Effect.forever(Effect.retry(borrow, { while: () => true }))
    }
    const commands = async () => {
      const all = await Promise.all(fleet.map(({ stats }) => Effect.runPromise(stats)))
      return all.reduce((sum, { commands }) => sum + commands, 0)
    }
    const all = Array.from({ length: borrowers }, (_, number) => Effect.runFork(borrower(number)))
    await delay(Math.max(1_000, warmupMillis))
    const figures = { permits: [] as Array<number>, commands: [] as Array<number> }
    for (let i = 0; i < (quick ? 1 : 3); i++) {
      const before = { taken, commands: await commands(), at: performance.now() }
      await delay(1_000)
      const seconds = (performance.now() - before.at) / 1_000
      figures.permits.push((taken - before.taken) / seconds)
      figures.commands.push((await commands() - before.commands) / seconds)
    }
    await Promise.all(all.map((fiber) => Effect.runPromise(fiber.interruptAsFork(fiber.id()))))
    return figures
  }
})

const report = (results: Results): ReadonlyArray<string> => [
  table(
    [`${borrowers} borrowers`, "permits taken and given back a second", "Redis commands a second"],
    cases.map(({ peer }) => [
      peer,
      whole(results.median(group, peer, "permits")),
      number(results.median(group, peer, "commands"))
    ])
  )
]

const requirements = (results: Results): ReadonlyArray<Requirement> =>
  cases.map(({ peer }) => ({
    what: `permits taken and given back a second: ${peer}`,
    figure: results.median(group, peer, "permits"),
    bound: { atLeast: 2_000 },
    unit: ""
  }))

/** Without `redis-server` it measures nothing. */
export const permits: Group = {
  name: group,
  title: "Permits of a fleet, over Redis",
  start,
  entries: () => redisProblem() === undefined ? cases.map(entry) : [],
  report,
  requirements
}
