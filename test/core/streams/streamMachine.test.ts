import * as FastCheck from "fast-check"
import { assert, describe, it } from "vitest"
import { cleanliness, isUnanswered, isUnfit, type StreamFacts } from "../../../src/internal/core/streams/cleanliness.js"
import { ensure, type Setting, World } from "./streamModel.js"

/**
 * Every run has its own seed, and a failure prints it: `FC_SEED=… npx vitest run test/core/streams` repeats that run, with
 * `FC_PATH=…` only its shortest form. `FC_RUNS=…` runs longer, `EXPLORE_STATES=…` explores more or fewer states of each
 * configuration.
 */
const { EXPLORE_STATES, FC_PATH: path, FC_RUNS: runs = "3000", FC_SEED: seed } = process.env
const states = Number(EXPLORE_STATES ?? 4_000)
const replay = seed === undefined ? {} : { seed: Number(seed) }

const calm: Setting = {
  isFixed: false,
  options: { maxStreamsPerSession: 2, maxStreamsOpened: 500, openTimeout: 1_000, suspectAfter: 2 },
  maxSessions: 2,
  hasRoom: true
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
  may("request", () => world.request(false))
  may("requestPersonal", () => world.request(true))
  if (world.queue.length > 0) may("abandon", () => world.abandon(world.queue[0]!))
  if (world.queue.length > 1) may("abandonLast", () => world.abandon(world.queue.at(-1)!), "abandon")
  world.answered.forEach((request, i) => {
    may(`take${i}`, () => world.taken(request))
    may(`decline${i}`, () => world.abandon(request), "abandon")
  })
  const held = world.sessions.filter(({ isHeld }) => isHeld)
  if (world.asks > 0) {
    if (held.length < world.setting.maxSessions) may("sessionCame", () => world.sessionCame())
    const back = world.sessions.find((session) => !session.isHeld && session.state === "Open" && !session.isRetired)
    if (back !== undefined) may("sessionCameAgain", () => world.sessionCame(back))
    may("sessionFailed", () => world.sessionFailed())
  }
  for (const session of held) {
    const { id } = session
    if (session.openings !== "None" && session.state === "Open") {
      may(`opened${id}`, () => world.opened(session))
      may(`refused${id}`, () => world.openFailed(session, true), "refused")
      may(`refusedOften${id}`, () => world.refusedOften(session), "refusedOften")
      may(`openFailed${id}`, () => world.openFailed(session, false), "openFailed")
    }
    if (session.state === "Open") may(`closing${id}`, () => world.closing(session), "death")
    if (session.state !== "Closed") {
      may(`died${id}`, () => world.died(session), session.state === "Open" ? "death" : "dead")
    }
    if (!session.isRetired) may(`retired${id}`, () => world.retired(session), "retired")
    may(`received${id}`, () => world.received(session), "received")
    may(`freed${id}`, () => world.freed(session), "freed")
    if (session.state === "Open") may(`pinged${id}`, () => world.pinged(session), "pinged")
    if (session.pings.size > 0) may(`pingEnded${id}`, () => world.pingEnded(session), "pingEnded")
    may(`owed${id}`, () => {
      session.mayBeOwedCredit = !session.mayBeOwedCredit
    }, "owed")
  }
  for (const stream of world.streams) {
    const { id, place } = stream
    if (place === "Idle") {
      may(`lend${id}`, () => world.lendAgain(stream), "lend")
      may(`end${id}`, () => world.discard(stream), "end")
    }
    if (place === "Lent") {
      may(`return${id}`, () => world.returned(stream, "clean"), "return")
      may(`returnWriting${id}`, () => world.returned(stream, "writing"), "writing")
      may(`returnSpoiled${id}`, () => world.returned(stream, "spoiled"), "spoiled")
      may(`returnSilent${id}`, () => world.returned(stream, "silent"), "silent")
    }
    if (place === "Returning" && !stream.areWritesSettled) {
      may(`written${id}`, () => {
        stream.areWritesSettled = true
        world.written(stream)
      })
    }
    if (place === "Ending") may(`confirmed${id}`, () => world.confirmed(stream), "confirmed")
  }
  may("others", () => {
    world.others = world.others === 0 ? 1 : 0
    world.demandChanged()
  })
  may("excess", () => {
    world.shrunk = world.shrunk === 0 ? 1 : 0
    world.demandChanged()
  })
  may("served", () => {
    world.areAllServed = !world.areAllServed
    world.demandChanged()
  })
  may("over", () => {
    world.isOpen = world.setting.isFixed
    world.demandChanged()
  })
  if (world.armed < Infinity) may("wake", () => world.wake())
  may("advance", () => world.advance(7))
  may("close", () => world.close())
  return moves
}

// --- generated steps

const among = <const A>(...values: [A, ...Array<A>]): FastCheck.Arbitrary<A> => FastCheck.constantFrom(...values)

const scenario = FastCheck.record({
  isFixed: among(false, false, false, true),
  maxStreamsPerSession: among(1, 2, 2, 3, Infinity),
  maxStreamsOpened: among(500, 500, 3, 1),
  suspectAfter: among(1, 1, 2, 2, Infinity),
  maxSessions: among(1, 2, 3),
  hasRoom: FastCheck.boolean(),
  kind: FastCheck.boolean(),
  picks: FastCheck.array(FastCheck.nat({ max: 10_000 }), { minLength: 10, maxLength: 80, size: "max" })
})

/** How often rare events may happen in total: without limits little else would happen. */
const rarely = {
  close: 0,
  over: 0,
  excess: 2,
  served: 2,
  sessionFailed: 3,
  openFailed: 2,
  death: 3,
  retired: 2,
  requestPersonal: 3,
  refusedOften: 2,
  pinged: 3,
  owed: 3
}

describe("a stream machine", () => {
  it("keeps its rules in every sequence of events, and answers every request", () => {
    let steps = 0
    const seen = new Set<string>()
    const property = FastCheck.property(scenario, ({ hasRoom, isFixed, kind, maxSessions, picks, ...options }) => {
      const world = new World({ isFixed, maxSessions, hasRoom, options: { ...options, openTimeout: 1_000 } })
      const happened = new Map<string, number>()
      const trace: Array<string> = []
      try {
        for (const pick of picks) {
          const moves = movesOf(world, happened, rarely)
          const move = moves[pick % moves.length]!
          const family = move.name.replace(/\d+$/, "")
          happened.set(kindOf(family), (happened.get(kindOf(family)) ?? 0) + 1)
          trace.push(move.name)
          move.run()
          world.judge()
          steps++
        }
        if (kind) world.beKind()
        world.beClosed()
      } catch (cause) {
        throw failureOf(cause, trace, world)
      }
      for (const command of world.log) seen.add(command)
    })
    FastCheck.assert(property, { numRuns: Number(runs), ...replay, ...(path === undefined ? {} : { path }) })
    if (path !== undefined || Number(runs) < 1_000) return
    for (const command of commands) ensure(seen.has(command), `no run brought ${command} about`)
    // 100,000 in 3,000 runs
    assert.isAtLeast(steps, Number(runs) * 34)
  })

  // All events in small configurations, in any order.
  const configurations: ReadonlyArray<readonly [string, Setting, Record<string, number>]> = [
    ["two sessions of two streams", calm, {}],
    ["two sessions of one stream, which serve once", {
      ...calm,
      hasRoom: false,
      options: { ...calm.options, maxStreamsPerSession: 1, maxStreamsOpened: 1 }
    }, {}],
    ["one session that is the owner's", { ...calm, isFixed: true }, {}],
    ["two sessions that are pinged, or owe credit", { ...calm, hasRoom: false }, {
      refusedOften: 1,
      pinged: 2,
      owed: 1,
      silent: 0,
      spoiled: 0,
      excess: 0
    }],
    ["one session that is pinged, or owes credit, and is the owner's", { ...calm, hasRoom: false, isFixed: true }, {
      refusedOften: 1,
      pinged: 2,
      owed: 1
    }],
    ["two sessions with bytes, ends and a demand of their own", { ...calm, hasRoom: false }, {
      received: 1,
      freed: 1,
      served: 1,
      over: 1,
      advance: 1,
      writing: 0,
      openFailed: 0,
      requestPersonal: 0
    }]
  ]
  const usual = {
    request: 2,
    requestPersonal: 1,
    abandon: 1,
    sessionCame: 3,
    sessionCameAgain: 1,
    sessionFailed: 1,
    refused: 2,
    openFailed: 1,
    death: 1,
    retired: 1,
    received: 0,
    freed: 0,
    lend: 1,
    end: 1,
    writing: 1,
    spoiled: 1,
    silent: 1,
    others: 2,
    excess: 1,
    served: 0,
    over: 0,
    advance: 0,
    wake: 4,
    refusedOften: 0,
    pinged: 0,
    owed: 0
  }

  it.each(configurations)("keeps its rules in every order of events: %s", (name, setting, others) => {
    const limits = { ...usual, ...others }
    const reached = new Set<string>()
    let frontier: Array<ReadonlyArray<string>> = [[]]
    while (frontier.length > 0 && reached.size < states) {
      const next: typeof frontier = []
      for (const trace of frontier) {
        if (reached.size >= states) break
        for (const move of movesAfter(setting, trace, limits).moves) {
          const longer = [...trace, move.name]
          const world = new World(setting)
          try {
            const { happened } = movesAfter(setting, longer, limits, world)
            const state = world.snapshot() + JSON.stringify(Object.keys(limits).map((kind) => happened.get(kind) ?? 0))
            if (reached.has(state)) continue
            reached.add(state)
            next.push(longer)
            // the kind ending, from each state
            world.beKind()
            world.beClosed()
          } catch (cause) {
            throw failureOf(cause, longer, world)
          }
        }
      }
      frontier = next
    }
    console.log(`${name}: ${reached.size} states`)
    assert.isAtLeast(reached.size, Math.min(states, 500))
  })
})

const commands = [
  "OpenStream",
  "AbandonOpening",
  "AskForSession",
  "GiveSessionBack",
  "RetireSession",
  "ForgetPing",
  "EndStream",
  "StopAwaitingWrites",
  "Grant",
  "Refuse",
  "PrepareItem",
  "RetireItem",
  "LoseItem",
  "BreakDown",
  "WarnSuspect",
  "WakeAt"
]

/** Names the events and the commands that led to the failure. */
const failureOf = (cause: unknown, trace: ReadonlyArray<string>, { log }: World): Error =>
  new Error(`${(cause as Error).message}, after ${trace.join(" ")}; commands: ${log.join(" ")}`, { cause })

const kinds: Record<string, string> = {
  abandonLast: "abandon",
  decline: "abandon",
  closing: "death",
  died: "death",
  returnWriting: "writing",
  returnSpoiled: "spoiled",
  returnSilent: "silent"
}

const kindOf = (family: string): string => kinds[family] ?? family

/** Repeats the same events on a new machine. */
const movesAfter = (
  setting: Setting,
  trace: ReadonlyArray<string>,
  limits: Record<string, number>,
  world = new World(setting)
) => {
  const happened = new Map<string, number>()
  for (const name of trace) {
    movesOf(world, happened, limits).find((move) => move.name === name)!.run()
    world.judge()
    const kind = kindOf(name.replace(/\d+$/, ""))
    if (kind in limits) happened.set(kind, (happened.get(kind) ?? 0) + 1)
  }
  return { happened, moves: movesOf(world, happened, limits) }
}

describe("cleanliness", () => {
  const clean: StreamFacts = {
    receiving: "Open",
    sending: "Open",
    isInboxEmpty: true,
    isReadPending: true,
    areWritesSettled: true,
    isOverdue: false,
    isSessionAlive: true
  }
  const greeting = { clientSpeaksFirst: true, isFresh: true }

  it("is that of a new stream, whose writes may have to settle", () => {
    assert.strictEqual(cleanliness(clean), "Clean")
    assert.strictEqual(cleanliness({ ...clean, areWritesSettled: false }), "Settling")
  })

  it("is lost by every single fact", () => {
    for (
      const fact of [
        { receiving: "Finished" },
        { sending: "Finished" },
        { isInboxEmpty: false },
        { isReadPending: false },
        { isSessionAlive: false }
      ] as const
    ) {
      assert.strictEqual(cleanliness({ ...clean, ...fact }), "Dirty", JSON.stringify(fact))
      assert.strictEqual(cleanliness({ ...clean, ...fact, areWritesSettled: false }), "Dirty")
    }
  })

  it("is lost for good by a borrower that fails or gives a read up", () => {
    const success = { isSuccess: true, isOwn: false, isForOneUse: false }
    assert.strictEqual(cleanliness(clean, success), "Clean")
    assert.strictEqual(cleanliness(clean, { ...success, isSuccess: false }), "Spoiled")
    const givenUp = { ...clean, isOverdue: true }
    assert.strictEqual(cleanliness(givenUp, success), "Spoiled")
    assert.strictEqual(cleanliness(givenUp, { ...success, isOwn: true }), "Clean")
    assert.strictEqual(cleanliness(givenUp, { ...success, isSuccess: false, isOwn: true }), "Spoiled")
    assert.isTrue(isUnanswered(givenUp, success))
    assert.isFalse(isUnanswered(clean, success))
    assert.isFalse(isUnanswered(givenUp, { ...success, isOwn: true }))
    assert.isTrue(isUnanswered(givenUp, { ...success, isSuccess: false, isOwn: true }))
  })

  it("ends with a borrow that is the stream's only one", () => {
    const once = { isSuccess: true, isOwn: false, isForOneUse: true }
    assert.strictEqual(cleanliness(clean, once), "Dirty")
    assert.strictEqual(cleanliness({ ...clean, areWritesSettled: false }, once), "Dirty")
    assert.strictEqual(cleanliness({ ...clean, isOverdue: true }, once), "Spoiled")
    assert.strictEqual(cleanliness({ ...clean, isOverdue: true }, { ...once, isOwn: true }), "Dirty")
    assert.strictEqual(cleanliness(clean, { ...once, isSuccess: false }), "Spoiled")
  })

  it("a peer that speaks before the first write spoils the stream, but for a greeting", () => {
    const spoke = { ...clean, isInboxEmpty: false, isEnded: false, isLost: false }
    for (const holder of ["Borrower", "Idle"] as const) {
      assert.isFalse(isUnfit({ ...spoke, isInboxEmpty: true }, greeting, holder))
      assert.isTrue(isUnfit(spoke, greeting, holder))
    }
    assert.isFalse(isUnfit({ ...spoke, isLost: true }, greeting, "OnItsWay"))
    const greets = { ...greeting, clientSpeaksFirst: false }
    assert.isFalse(isUnfit(spoke, greets, "Idle"))
    assert.isTrue(isUnfit(spoke, { ...greets, isFresh: false }, "Idle"))
    assert.isTrue(isUnfit({ ...spoke, isLost: true }, greets, "Idle"))
    assert.isFalse(isUnfit({ ...spoke, isLost: true }, greets, "Borrower"))
    assert.isTrue(isUnfit({ ...spoke, isEnded: true }, greets, "Borrower"))
  })
})
