/**
 * The main of `npm run chaos -- --fleet`: six processes share a limit over Redis. Processes are killed and stopped, Redis is
 * killed, stopped and cut off; the server counts their sessions. Sessions of a process that is stopped do not count, nor
 * those that it has in the first turns after it.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { PCGRandom } from "effect/Utils"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { table } from "../../benchmark/harness/format.js"
import * as Processes from "../support/processes.js"
import * as Redis from "../support/redis.js"
import * as TestServer from "../support/TestServer.js"
import * as Network from "./network.js"
import type { Line, Order, Setup } from "./permitsProcess.js"

const options: { readonly minutes: number; readonly seed: number } = JSON.parse(process.argv[2]!)

const main = fileURLToPath(new URL("./permitsProcess.ts", import.meta.url))
const processes = 6
const limit = 12
/** Milliseconds, as all times here. */
const timeToLive = 3_000
const closeTimeout = 500
/** How long the server may see more sessions than `limit`: it hears late of those that closed. */
const lag = 500
/** The longest wait for a session while nothing fails. */
const longestWait = 2 * timeToLive / 3 + 1_000
/** How long the consequences of a fault may last: a lease, the silence after a loss of memory, the backoff of the pools. */
const aftermath = 2 * timeToLive + 3_000

const kinds = ["killProcess", "stopProcess", "killRedis", "stopRedis", "cutRedis"] as const

interface Fault {
  readonly kind: typeof kinds[number]
  readonly began: number
  ended: number
}

class Member {
  readonly number: number
  /** Another one after each kill, so that the sessions of the dead are told apart. */
  life = 0
  running: Processes.Running | undefined = undefined
  isStopped = false
  /** Until when its sessions do not count, by the monotonic clock. */
  excusedUntil = 0
  readonly paths: Array<string> = []
  answers = 0
  failures = 0
  commands = 0
  longest = 0
  latest: Extract<Line, { readonly _tag: "Figures" }> | undefined = undefined

  constructor(number: number) {
    this.number = number
  }

  order(order: Order): void {
    this.running?.child.stdin.write(`${JSON.stringify(order)}\n`)
  }

  /** The figures of its earlier lives and of this one. */
  get totals() {
    const { answers = 0, commands = 0, failures = 0 } = this.latest ?? {}
    return { answers: this.answers + answers, failures: this.failures + failures, commands: this.commands + commands }
  }

  bury(): void {
    Object.assign(this, this.totals)
    this.latest = undefined
  }
}

const soak = Effect.gen(function*() {
  const random = new PCGRandom(options.seed)
  const redis = yield* Redis.make
  const proxy = yield* Network.start("tcp", redis.port)
  const server = yield* TestServer.start()
  const members = Array.from({ length: processes }, (_, number) => new Member(number))
  const faults: Array<Fault> = []
  const waits: Array<{ readonly member: number; readonly from: number; readonly to: number }> = []
  const violations: Array<string> = []
  /** Other work on the machine can cause these. */
  const late: Array<string> = []
  const start = Date.now()
  const seconds = (at: number) => `${((at - start) / 1_000).toFixed(1)} s`

  const launch = (member: Member): Effect.Effect<void> =>
    Effect.promise(async () => {
      const path = `/echo?${member.number}.${++member.life}`
      member.paths.push(path)
      const setup: Setup = {
        permits: { url: `redis://127.0.0.1:${proxy.port}`, key: "fleet", limit, timeToLive, closeTimeout },
        url: `https://127.0.0.1:${server.port}${path}`,
        hashHex: Buffer.from(server.hash).toString("hex"),
        kind: member.number === 0 ? "streams" : "sessions",
        maxSize: limit,
        closeTimeout
      }
      const running = Processes.run(main, [JSON.stringify(setup)])
      member.running = running
      running.child.stderr.on("data", (text) => process.stderr.write(`process ${member.number}: ${text}`))
      await new Promise<void>((resolve) =>
        createInterface({ input: running.child.stdout }).on("line", (text) => {
          const line: Line = JSON.parse(text)
          if (line._tag === "Ready") resolve()
          else if (line._tag === "Figures") member.latest = line
          else waits.push({ member: member.number, from: line.at - line.millis, to: line.at })
        })
      )
    })
  yield* Effect.addFinalizer(() =>
    Effect.promise(() => Promise.all(members.map(async ({ running }) => running?.kill()))).pipe(Effect.asVoid)
  )
  yield* Effect.forEach(members, launch, { concurrency: 2, discard: true })

  /** Who is busy, and who idle. */
  const shift = Effect.sync(() => {
    for (const member of members) {
      const load = random.integer(3) === 0 ? 0 : 1 + random.integer(7)
      member.order({ load })
    }
  })

  let most = 0
  let aboveSince: number | undefined = undefined
  const watch = Effect.gen(function*() {
    for (;;) {
      const { paths } = yield* server.stats
      const now = performance.now()
      let open = 0
      for (const { excusedUntil, isStopped, paths: own } of members) {
        if (isStopped || now < excusedUntil) continue
        for (const path of own) open += paths[path]?.sessionsOpen ?? 0
      }
      if (open <= limit) {
        most = Math.max(most, open)
        aboveSince = undefined
      } else {
        aboveSince ??= now
        if (now - aboveSince > lag) {
          violations.push(`${open} sessions at ${seconds(Date.now())}, the limit is ${limit}`)
          aboveSince = Infinity
        }
      }
      yield* Effect.sleep(20)
    }
  })

  const inject = (kind: Fault["kind"], lasts: number): Effect.Effect<void, never, Scope.Scope> => {
    const member = members[random.integer(processes)]!
    const pause = Effect.sleep(lasts)
    switch (kind) {
      case "killProcess":
        return Effect.gen(function*() {
          yield* Effect.promise(() => member.running!.kill())
          member.bury()
          yield* pause
          yield* launch(member)
        })
      case "stopProcess":
        return Effect.gen(function*() {
          member.isStopped = true
          process.kill(member.running!.pid, "SIGSTOP")
          yield* pause
          process.kill(member.running!.pid, "SIGCONT")
          // its items close in its first turn
          member.excusedUntil = performance.now() + closeTimeout + lag
          member.isStopped = false
        })
      case "killRedis":
        return redis.kill.pipe(Effect.andThen(pause), Effect.andThen(redis.start))
      case "stopRedis":
        return Effect.scoped(Effect.flatMap(redis.suspend, (resume) => Effect.andThen(pause, resume)))
      case "cutRedis":
        return proxy.set({ state: random.integer(2) === 0 ? "cut" : "stalled", delay: 0 }).pipe(
          Effect.andThen(pause),
          Effect.andThen(proxy.set({ state: "open", delay: 0 }))
        )
    }
  }

  // Redis has just started, and grants nothing at first
  yield* Effect.sleep(timeToLive + 1_000)
  const began = Date.now()
  yield* Effect.forkScoped(watch)
  yield* shift
  yield* Effect.sleep(4_000)
  const end = began + options.minutes * 60_000
  let next = random.integer(kinds.length)
  while (Date.now() < end - aftermath) {
    const fault: Fault = { kind: kinds[next++ % kinds.length]!, began: Date.now(), ended: Infinity }
    faults.push(fault)
    yield* inject(fault.kind, 500 + random.integer(timeToLive * 2))
    fault.ended = Date.now()
    yield* shift
    // sometimes the next one comes before this one is over
    yield* Effect.sleep(random.integer(2) === 0 ? 1_000 : aftermath + 3_000)
  }
  yield* Effect.sleep(Math.max(0, end - Date.now()))

  const hurt = (from: number, to: number) =>
    faults.some(({ began, ended }) => from < ended + aftermath && to > began) || from < began
  for (const { from, member, to } of waits) {
    if (hurt(from, to)) continue
    members[member]!.longest = Math.max(members[member]!.longest, to - from)
    if (to - from > longestWait) {
      late.push(`process ${member} waited ${Math.round(to - from)} ms for a session, until ${seconds(to)}`)
    }
  }

  // at rest every process has some sessions, and none waits; then all end
  for (const member of members) member.order({ load: 0 })
  yield* Effect.sleep(2_000)
  for (const { latest, number } of members) {
    if ((latest?.answers ?? 0) === 0) violations.push(`process ${number} got no answer: ${latest?.lastFailure}`)
  }
  for (const { running } of members) running!.child.stdin.end()
  const gone = yield* Effect.timeoutOption(
    Effect.repeat(Effect.delay(redis.call("ZCARD", "{fleet}:leases"), 50), {
      until: () => members.every(({ running }) => running!.isRunning() === false)
    }),
    10_000
  )
  if (gone._tag === "None") violations.push("a process did not end")
  yield* Effect.sleep(timeToLive)
  // what the dead held: the next one who asks forgets it
  const now = Number((yield* redis.call("TIME"))[0]) * 1_000
  const left = yield* redis.call("ZCOUNT", "{fleet}:leases", now, "+inf")
  if (left > 0) violations.push(`${left} leases are left a time to live after the end`)

  const rows = members.map(({ life, longest, number, totals }) =>
    [
      `${number}${number === 0 ? ", streams" : ""}`,
      life,
      totals.answers,
      totals.failures,
      totals.commands,
      `${Math.round(longest)} ms`
    ].map(String)
  )
  const counts = kinds.map((kind) => [kind, String(faults.filter((fault) => fault.kind === kind).length)])
  const sections = [
    table(["fault", "times"], counts),
    table(["process", "lives", "answers", "failures", "commands", "longest wait while all was well"], rows),
    `At most ${most} sessions at once, of ${limit}.`
  ]
  process.stdout.write(`${sections.join("\n\n")}\n\n`)
  const list = (what: string, all: ReadonlyArray<string>) =>
    all.length === 0 ? "" : `${all.length} ${what} (seed ${options.seed}):\n${all.slice(0, 50).join("\n")}\n`
  process.stdout.write(
    list("wrong", violations) + list("late", late) || `Nothing wrong (seed ${options.seed}).\n`
  )
  return violations.length > 0 ? 1 : late.length > 0 ? 2 : 0
})

process.exitCode = await Effect.runPromise(Effect.scoped(soak))
process.exit()
