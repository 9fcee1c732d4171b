import * as FastCheck from "fast-check"
import { assert, describe, it } from "vitest"
import { ensure, type Surroundings, World } from "./requestModel.js"

/**
 * Every run has its own seed, and a failure prints it: `FC_SEED=… npx vitest run test/core/requests` repeats that run, with
 * `FC_PATH=…` only its shortest form. `FC_RUNS=…` runs longer, `EXPLORE=…` sets the number of explored states.
 */
const { EXPLORE: explored = "20000", FC_PATH: path, FC_RUNS: runs = "2500", FC_SEED: seed } = process.env
const replay = seed === undefined ? {} : { seed: Number(seed) }

const calm: Surroundings = {
  options: {
    maxStreams: 2,
    maxInFlight: 2,
    correlate: true,
    maxBatch: 10,
    maxBuffered: 2,
    maxWaiters: 3,
    acquireTimeout: 100,
    silenceTimeout: 50,
    shutdownGrace: 30
  },
  writeRoom: 1
}

interface Move {
  readonly name: string
  readonly run: () => void
}

/** All events that may happen in this state. `limits`: how often rare events may happen in total. */
const movesOf = (world: World, happened: ReadonlyMap<string, number>, limits: Record<string, number>): Array<Move> => {
  const moves: Array<Move> = []
  const may = (name: string, run: () => void, kind = name) => {
    if ((happened.get(kind) ?? 0) < (limits[kind] ?? Infinity)) moves.push({ name, run })
  }
  if (world.isClosed) return moves
  may("request", () => world.request(4))
  may("requestLarge", () => world.request(9), "large")
  may("requestMany", () => world.request(4, "Many"), "many")
  const open = world.requests.filter(({ outcome }) => outcome === "none")
  open.forEach((request, i) => may(`abandon${i}`, () => world.abandon(request), "abandon"))
  if (world.openings > 0) {
    world.sessions.forEach((session, i) => may(`open${i}`, () => world.open(session, false), "open"))
    may("openLeaving", () => world.open(world.sessions[0]!, true), "leaving")
    may("openFailed", () => world.openFailed())
  }
  if (world.flushes.length > 0) may("flush", () => world.flush())
  world.held.forEach((stream, i) => {
    if (stream.writes.length > 0) may(`written${i}`, () => world.written(stream), "written")
    stream.owed.forEach((request, j) => {
      if (j > 0 && !world.setting.options.correlate) return
      may(`answer${i}${j}`, () => world.answer(stream, request), "answer")
      if (request.answers === "Many") may(`part${i}${j}`, () => world.answer(stream, request, false), "part")
    })
    const isAnswered = stream.record.nextId > 0 && !stream.record.byId.has(0)
    if (world.setting.options.correlate && isAnswered) may(`again${i}`, () => world.answerAgain(stream), "again")
    if (world.setting.options.correlate || stream.owed.length === 0) {
      may(`unknown${i}`, () => world.answerUnknown(stream), "unknown")
    }
    may(`lose${i}`, () => world.lose(stream), "lose")
    may(`break${i}`, () => stream.refusal = "broken", "lose")
    if (!stream.isLeaving) may(`leave${i}`, () => world.leave(stream), "leave")
  })
  open.forEach((request, i) => {
    if (request.buffered > 0) may(`consume${i}`, () => world.consume(request), "consume")
  })
  may("wanted", () => {
    world.isWanted = !world.isWanted
    world.demandChanged()
  })
  may("over", () => {
    world.isOpen = false
    world.demandChanged()
  })
  if (world.pings.length > 0) {
    may("pong", () => world.pinged(true))
    may("noPong", () => world.pinged(false))
  }
  may("beginExclusive", () => world.beginExclusive())
  if (world.machine.state === "Open") may("beginAlone", () => world.beginAlone(), "beginExclusive")
  if (world.alone > 0) may("endAlone", () => world.endAlone())
  if (world.exclusive > world.alone) may("endExclusive", () => world.endExclusive())
  if (world.armed < Infinity) may("wake", () => world.wake())
  may("advance", () => world.advance(7))
  may("drain", () => world.drain())
  may("close", () => world.close())
  return moves
}

// --- generated steps

const among = <const A>(...values: [A, ...Array<A>]): FastCheck.Arbitrary<A> => FastCheck.constantFrom(...values)

const scenario = FastCheck.record({
  maxStreams: among(1, 2, 2, 3),
  maxInFlight: among(1, 2, 3, 8),
  correlate: among(true, true, false),
  maxBatch: among(8, 10, 20, 1_000),
  maxBuffered: among(0, 1, 3),
  maxWaiters: among(1, 3, 1_000),
  acquireTimeout: among(20, 100, Infinity),
  silenceTimeout: among(10, 50, Infinity),
  shutdownGrace: among(0, 30),
  writeRoom: among(1, 2, 4),
  kind: FastCheck.boolean(),
  picks: FastCheck.array(FastCheck.nat({ max: 10_000 }), { minLength: 20, maxLength: 100, size: "max" })
})

/** How often rare events may happen in total: without limits little else would happen. */
const rarely = {
  abandon: 12,
  openFailed: 4,
  leaving: 2,
  unknown: 1,
  lose: 2,
  leave: 2,
  wanted: 4,
  over: 1,
  drain: 1,
  close: 1,
  beginExclusive: 2
}

const kinds: Record<string, string> = {
  requestLarge: "large",
  requestMany: "many",
  openLeaving: "leaving",
  beginAlone: "beginExclusive",
  break: "lose"
}

/** The kind of a move. */
const kindOf = (name: string): string => {
  const family = name.replace(/\d+$/, "")
  return kinds[family] ?? family
}

const commands = [
  "OpenStream",
  "Flush",
  "Write",
  "GiveBack",
  "Refuse",
  "Fail",
  "Ping",
  "EndExclusive",
  "Drained",
  "Closed",
  "WakeAt"
]

describe("a request machine", () => {
  it("keeps its rules in whatever happens to it, and ends every request", () => {
    let steps = 0
    const seen = new Set<string>()
    const property = FastCheck.property(scenario, ({ kind, picks, writeRoom, ...options }) => {
      const world = new World({ writeRoom, options })
      const happened = new Map<string, number>()
      const trace: Array<string> = []
      try {
        for (const pick of picks) {
          const moves = movesOf(world, happened, rarely)
          // events of the end come late
          const early = moves.filter(({ name }) => trace.length > 40 || !["drain", "close", "over"].includes(name))
          const move = early[pick % early.length]
          if (move === undefined) break
          happened.set(kindOf(move.name), (happened.get(kindOf(move.name)) ?? 0) + 1)
          trace.push(move.name)
          move.run()
          world.judge()
          steps++
        }
        if (kind) world.beKind()
        world.beClosed()
      } catch (cause) {
        throw new Error(`${(cause as Error).message}, after ${trace.join(" ")}`, { cause })
      }
      for (const command of world.log) seen.add(command)
    })
    FastCheck.assert(property, { numRuns: Number(runs), ...replay, ...(path === undefined ? {} : { path }) })
    if (path !== undefined) return
    for (const command of commands) ensure(seen.has(command), `no run brought ${command} about`)
    assert.isAbove(steps, Number(runs) * 40)
  })

  // All events in small configurations, in any order.
  const configurations: ReadonlyArray<readonly [string, Surroundings]> = [
    ["two streams, with ids", calm],
    ["one stream, in turn", { ...calm, options: { ...calm.options, correlate: false, maxStreams: 1, maxWaiters: 1 } }],
    ["one request at a time", { writeRoom: 2, options: { ...calm.options, maxInFlight: 1, acquireTimeout: Infinity } }]
  ]
  const limits = {
    request: 2,
    large: 1,
    many: 1,
    abandon: 2,
    open: 2,
    leaving: 1,
    openFailed: 1,
    part: 2,
    again: 1,
    unknown: 1,
    lose: 1,
    leave: 1,
    consume: 1,
    wanted: 1,
    over: 1,
    beginExclusive: 1,
    drain: 1,
    close: 1,
    advance: 0,
    wake: 3
  }

  it.each(configurations)("keeps its rules in every order of events: %s", (name, setting) => {
    const reached = new Set<string>()
    let frontier: Array<ReadonlyArray<string>> = [[]]
    const most = Math.ceil(Number(explored) / configurations.length)
    while (frontier.length > 0 && reached.size < most) {
      const next: typeof frontier = []
      for (const trace of frontier) {
        if (reached.size >= most) break
        for (const move of movesAfter(setting, trace, limits).moves) {
          const longer = [...trace, move.name]
          try {
            const { happened, world } = movesAfter(setting, longer, limits)
            const state = world.snapshot() + JSON.stringify(Object.keys(limits).map((kind) => happened.get(kind) ?? 0))
            if (reached.has(state)) continue
            reached.add(state)
            next.push(longer)
            // the kind ending, from each state
            world.beKind()
            world.beClosed()
          } catch (cause) {
            throw new Error(`${(cause as Error).message}, after ${longer.join(" ")}`, { cause })
          }
        }
      }
      frontier = next
    }
    console.log(`${name}: ${reached.size} states`)
    assert.isAbove(reached.size, 500)
  })
})

/** Repeats the same events on a new machine. */
const movesAfter = (setting: Surroundings, trace: ReadonlyArray<string>, limits: Record<string, number>) => {
  const world = new World(setting)
  const happened = new Map<string, number>()
  for (const name of trace) {
    movesOf(world, happened, limits).find((move) => move.name === name)!.run()
    world.judge()
    const kind = kindOf(name)
    if (kind in limits) happened.set(kind, (happened.get(kind) ?? 0) + 1)
  }
  return { world, happened, moves: movesOf(world, happened, limits) }
}
