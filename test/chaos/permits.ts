/**
 * The main of `npm run chaos -- --fleet`: six processes share a limit over Redis. Processes are killed and stopped, Redis is
 * killed and restarted empty, stopped and cut off; the server counts their sessions. Sessions of a process that is stopped
 * do not count, nor those that it has in the first turns after it.
 */
import * as RedisPermits from "effect-pools/RedisPermits"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
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
import { type Bounds, isCalm, judge, LimitWatch, type Observed, type Span } from "./permitsVerdict.js"
import {
  permitAftermath,
  type PermitFault,
  permitKinds,
  permitSchedule,
  permitTimeToLive as timeToLive
} from "./schedule.js"

const options: { readonly minutes: number; readonly seed: number } = JSON.parse(process.argv[2]!)

const main = fileURLToPath(new URL("./permitsProcess.ts", import.meta.url))
const processes = 6
const limit = 12
/** Milliseconds, as all times here. */
const closeTimeout = 500
const bounds: Bounds = {
  limit,
  timeToLive,
  lag: 500,
  longestWait: 2 * timeToLive / 3 + 1_000,
  aftermath: permitAftermath
}

interface Figures {
  readonly answers: number
  readonly failures: number
  readonly commands: number
}

class Member {
  readonly number: number
  /** Another one after each kill, so that the sessions of the dead are told apart. */
  life = 0
  running: Processes.Running | undefined = undefined
  /** The process is stopped, or has not yet had the turns in which it closes its sessions. */
  isExcused = false
  readonly paths: Array<string> = []
  /** Of the lives before this one. */
  earlier: Figures = { answers: 0, failures: 0, commands: 0 }
  latest: Extract<Line, { readonly _tag: "Figures" }> | undefined = undefined
  onFigures: () => void = () => {}

  constructor(number: number) {
    this.number = number
  }

  order(order: Order): void {
    this.running?.child.stdin.write(`${JSON.stringify(order)}\n`)
  }

  get totals(): Figures {
    const { earlier, latest } = this
    return {
      answers: earlier.answers + (latest?.answers ?? 0),
      failures: earlier.failures + (latest?.failures ?? 0),
      commands: earlier.commands + (latest?.commands ?? 0)
    }
  }

  readonly kill = Effect.promise(async () => {
    await this.running!.kill()
    this.earlier = this.totals
    this.latest = undefined
  })

  /** Completes when the process has told its figures once more. */
  readonly nextFigures = Effect.async<void>((resume) => {
    this.onFigures = () => resume(Effect.void)
  })
}

const setUp = Effect.gen(function*() {
  const redis = yield* Redis.make
  const redisBegan = Date.now()
  const proxy = yield* Network.start("tcp", redis.port)
  const server = yield* TestServer.start()
  const members = Array.from({ length: processes }, (_, number) => new Member(number))
  const waits: Array<Span> = []
  const stalls: Array<Span> = []
  const stops: Array<Span> = []
  const permits = { key: "fleet", limit, timeToLive, closeTimeout }

  const hear = (member: Member, line: Exclude<Line, { readonly _tag: "Ready" }>) => {
    if (line._tag === "Figures") {
      member.latest = line
      return member.onFigures()
    }
    const span = { member: member.number, from: line.at - line.millis, to: line.at }
    if (line._tag === "Waited") waits.push(span)
    else stalls.push(span)
  }

  const launch = (member: Member): Effect.Effect<void> =>
    Effect.promise(async () => {
      const path = `/echo?${member.number}.${++member.life}`
      member.paths.push(path)
      const setup: Setup = {
        permits: { url: `redis://127.0.0.1:${proxy.port}`, ...permits },
        url: server.url(path),
        hashHex: server.hashHex,
        kind: member.number === 0 ? "streams" : "sessions",
        maxSize: limit,
        workers: limit,
        closeTimeout
      }
      const running = Processes.run(main, [JSON.stringify(setup)])
      member.running = running
      running.child.stderr.on("data", (text) => process.stderr.write(`process ${member.number}: ${text}`))
      await new Promise<void>((resolve) =>
        createInterface({ input: running.child.stdout }).on("line", (text) => {
          const line: Line = JSON.parse(text)
          if (line._tag === "Ready") resolve()
          else hear(member, line)
        })
      )
    })
  yield* Effect.addFinalizer(() =>
    Effect.promise(() => Promise.all(members.map(async ({ running }) => running?.kill()))).pipe(Effect.asVoid)
  )
  yield* Effect.forEach(members, launch, { concurrency: 2, discard: true })
  // Redis has just started, and grants nothing at first
  yield* Effect.sleep(Math.max(0, redisBegan + timeToLive + 1_000 - Date.now()))
  return { redis, proxy, server, members, launch, permits, waits, stalls, stops }
})

type Fleet = Effect.Effect.Success<typeof setUp>

/** The sessions of each member at the server. */
const count = ({ members, server }: Fleet) =>
  Effect.map(server.stats, ({ paths }) =>
    members.map((member) => {
      let open = 0
      for (const path of member.paths) open += paths[path]?.sessionsOpen ?? 0
      return { member, open }
    }))

const watch = (fleet: Fleet, limitWatch: LimitWatch) =>
  Effect.gen(function*() {
    let open = 0
    for (const one of yield* count(fleet)) if (!one.member.isExcused) open += one.open
    limitWatch.see(open, Date.now())
    yield* Effect.sleep(20)
  }).pipe(Effect.forever)

/**
 * Five processes are idle, and have all sessions, one of them under a `StreamPool`. The sixth wants all. Returns how long it
 * waited for its share.
 */
const starve = (fleet: Fleet) =>
  Effect.gen(function*() {
    const starving = fleet.members[processes - 1]!
    const idle = fleet.members.slice(0, -1)
    for (const [index, member] of idle.entries()) member.order({ load: index === 0 ? 8 : 4, keep: 300 })
    yield* Effect.sleep(3_000)
    for (const member of idle) member.order({ load: 0, keep: 0 })
    yield* Effect.sleep(1_000)
    const before = (yield* count(fleet)).map(({ open }) => open)
    const began = Date.now()
    starving.order({ load: limit, keep: 2_000 })
    const reaches = (share: number) =>
      Effect.repeat(Effect.delay(count(fleet), 10), { until: (all) => all[processes - 1]!.open >= share }).pipe(
        Effect.map(() => Date.now() - began),
        Effect.timeoutTo({ duration: 2 * timeToLive, onTimeout: () => undefined, onSuccess: (took) => took })
      )
    const share = yield* reaches(limit / processes)
    const all = yield* reaches(limit)
    return { before, share, all }
  })

/** Who is busy, and who idle. */
const shift = ({ members }: Fleet, random: PCGRandom) =>
  Effect.sync(() => {
    for (const member of members) {
      const load = random.integer(3) === 0 ? 0 : 1 + random.integer(7)
      member.order({ load, keep: random.integer(3) === 0 ? 200 : 0 })
    }
  })

const inject = (fleet: Fleet, fault: PermitFault): Effect.Effect<void, never, Scope.Scope> => {
  const { launch, members, proxy, redis, stops } = fleet
  const member = members[Math.floor(fault.member * processes)]!
  const pause = Effect.sleep(fault.lasts)
  switch (fault.kind) {
    case "killProcess":
      return member.kill.pipe(Effect.andThen(pause), Effect.andThen(launch(member)))
    case "stopProcess":
      return Effect.gen(function*() {
        const from = Date.now()
        member.isExcused = true
        process.kill(member.running!.pid, "SIGSTOP")
        yield* pause
        process.kill(member.running!.pid, "SIGCONT")
        stops.push({ member: member.number, from, to: Date.now() })
        // its sessions close in its first turn
        yield* Effect.forkScoped(
          member.nextFigures.pipe(
            Effect.andThen(Effect.sleep(closeTimeout + bounds.lag)),
            Effect.andThen(Effect.sync(() => member.isExcused = false))
          )
        )
      })
    case "killRedis":
      return redis.kill.pipe(Effect.andThen(pause), Effect.andThen(redis.start))
    case "stopRedis":
      return Effect.scoped(Effect.flatMap(redis.suspend, (resume) => Effect.andThen(pause, resume)))
    case "cutRedis":
    case "stallRedis":
      return proxy.set({ state: fault.kind === "cutRedis" ? "cut" : "stalled", delay: 0 }).pipe(
        Effect.andThen(pause),
        Effect.andThen(proxy.set({ state: "open", delay: 0 }))
      )
  }
}

/** Half of the processes are killed, the others end. Returns how long until a newcomer has all permits. */
const end = ({ members, permits, redis }: Fleet) =>
  Effect.gen(function*() {
    const began = Date.now()
    for (const { number, running } of members) {
      if (number % 2 === 0) void running!.kill()
      else running!.child.stdin.end()
    }
    const newcomer = yield* RedisPermits.make({ url: redis.url, ...permits })
    const permit = Effect.retry(newcomer.permit("borrower"), { while: () => true })
    const all = Effect.all(Array.from({ length: limit }, () => permit), {
      concurrency: "unbounded",
      discard: true
    })
    return yield* Effect.timeoutTo(Effect.orDie(all), {
      duration: 2 * timeToLive,
      onTimeout: () => undefined,
      onSuccess: () => Date.now() - began
    })
  })

const soak = Effect.gen(function*() {
  const random = new PCGRandom(options.seed)
  const fleet = yield* setUp
  const { members, stalls, stops, waits } = fleet
  const start = Date.now()
  const limitWatch = new LimitWatch(limit)
  yield* Effect.forkScoped(watch(fleet, limitWatch))
  const starved = yield* starve(fleet)

  const faults: Array<{ readonly kind: PermitFault["kind"]; readonly from: number; to: number }> = []
  const began = Date.now()
  yield* shift(fleet, random)
  for (const fault of permitSchedule(options.seed, options.minutes * 60_000)) {
    yield* Effect.sleep(Math.max(0, began + fault.at - Date.now()))
    const one = { kind: fault.kind, from: Date.now(), to: Infinity }
    faults.push(one)
    yield* inject(fleet, fault)
    one.to = Date.now()
    yield* shift(fleet, random)
  }
  yield* Effect.sleep(Math.max(0, began + options.minutes * 60_000 - Date.now()))
  for (const member of members) member.order({ load: 0, keep: 0 })
  yield* Effect.sleep(1_500)
  const back = yield* Effect.scoped(end(fleet))

  const observed: Observed = {
    excesses: limitWatch.excesses,
    waits,
    // it stands still because it is stopped
    stalls: stalls.filter(({ from, member, to }) =>
      stops.every((stop) => stop.member !== member || stop.from > to || stop.to < from)
    ),
    faults,
    answers: members.map(({ totals }) => totals.answers),
    starved: starved.share,
    back
  }
  const longest = (of: ReadonlyArray<Span>) => `${Math.round(Math.max(0, ...of.map(({ from, to }) => to - from)))} ms`
  const rows = members.map(({ life, number, totals }) => {
    const own = waits.filter(({ member }) => member === number)
    const calm = own.filter((wait) => isCalm(wait, observed, bounds))
    return [
      `${number}${number === 0 ? ", streams" : ""}`,
      String(life),
      ...[totals.answers, totals.failures, totals.commands].map(String),
      longest(calm),
      longest(own)
    ]
  })
  const counts = permitKinds.map((kind) => [kind, String(faults.filter((fault) => fault.kind === kind).length)])
  const { late, wrong } = judge(observed, bounds, start)
  const sections = [
    table(["fault", "times"], counts),
    table(["process", "lives", "answers", "failures", "commands", "longest wait, all well", "longest wait"], rows),
    `Beside five idle processes (${
      starved.before.slice(0, -1).join(", ")
    } sessions) one that starved had its share after ` +
    `${starved.share} ms, all ${limit} after ${starved.all} ms.`,
    `At most ${limitWatch.most} sessions at once, of ${limit}; ${limitWatch.excesses.length} times more, ` +
    `for ${longest(limitWatch.excesses.map((excess) => ({ ...excess, member: 0 })))} at most. ` +
    `All permits were granted anew ${back} ms after the end.`
  ]
  process.stdout.write(`${sections.join("\n\n")}\n\n`)
  const list = (what: string, all: ReadonlyArray<string>) =>
    all.length === 0 ? "" : `${all.length} ${what} (seed ${options.seed}):\n${all.slice(0, 50).join("\n")}\n`
  process.stdout.write(list("wrong", wrong) + list("late", late) || `Nothing wrong (seed ${options.seed}).\n`)
  for (const { latest, number } of members) {
    if (latest?.lastFailure !== undefined) {
      process.stdout.write(`process ${number}, last failure: ${latest.lastFailure}\n`)
    }
  }
  return wrong.length > 0 ? 1 : late.length > 0 ? 2 : 0
})

process.exitCode = await Effect.runPromise(
  Effect.provide(Effect.scoped(soak), Logger.remove(Logger.defaultLogger))
)
process.exit()
