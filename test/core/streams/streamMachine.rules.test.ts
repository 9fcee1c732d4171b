/** Single rules of the machine, where a reader should find them, and where the environment of the model is too plain. */
import { assert, describe, it } from "@effect/vitest"
import {
  LaneStream,
  type OpenStreamFacts,
  type SessionFacts,
  SessionLane
} from "../../../src/internal/core/streams/sessionLane.js"
import { fixedSupply } from "../../../src/internal/core/streams/sessionSupply.js"
import {
  type StreamCommand,
  type StreamMachineOptions,
  StreamRequest
} from "../../../src/internal/core/streams/streamCommands.js"
import { StreamMachine } from "../../../src/internal/core/streams/streamMachine.js"

class Session implements SessionFacts {
  gone: string | undefined = undefined
  state = "Open"
  isRetired = false
  bytesReceived = 0
  streamsOpened = 0
  taken = 0
  readonly pings = { size: 0 }
  mayBeOwedCredit = false
  isPingLatest = false
}

class Stream implements OpenStreamFacts {
  receiving = "Open"
  sending = "Open"
  isInboxEmpty = true
  isReadPending = true
  areWritesSettled = true
  isOverdue = false
  isSessionAlive = true
  isSending = false
  isWriting = false
}

type Lane = SessionLane<Session>
type Record = LaneStream<Stream, Session>
type Command = StreamCommand<string>

interface Setting extends Partial<StreamMachineOptions> {
  /** The only session, if it is the caller's. */
  readonly fixed?: Lane
  /** Otherwise the test starts the machine. */
  readonly starts?: false
}

/** A machine under a clock of its own, and all that it has asked for. */
class Pool {
  readonly commands: Array<Command> = []
  readonly machine: StreamMachine<Session, Stream, string>
  readonly supply = { isFixed: false, isOpen: true, waiting: 0, excess: 0 }
  readonly demand = { waiting: 0, needed: 0, wanted: 0 }
  now = 1_000
  private came = 0

  constructor({ fixed, starts, ...options }: Setting = {}) {
    const all = { maxStreamsPerSession: 100, maxStreamsOpened: 500, openTimeout: 400, suspectAfter: 2, ...options }
    this.machine = new StreamMachine<Session, Stream, string>(
      all,
      fixed === undefined ? this.supply : fixedSupply,
      this.demand,
      (command) => this.commands.push(command)
    )
    if (starts !== false) this.machine.start(fixed, this.now)
  }

  ofTag<T extends Command["_tag"]>(tag: T): Array<Extract<Command, { _tag: T }>> {
    return this.commands.filter((command) => command._tag === tag) as Array<never>
  }

  count(tag: Command["_tag"]): number {
    return this.ofTag(tag).length
  }

  /** Time passes, and the machine is told so. */
  pass(millis: number): void {
    this.now += millis
    this.machine.tick(this.now)
  }

  /** A borrower waits, and the pool creates an item for it. */
  request(isPersonal = false): StreamRequest {
    const request = new StreamRequest(isPersonal)
    if (!isPersonal) this.want(1)
    this.machine.request(request, this.now)
    return request
  }

  /** More borrowers, or fewer, wait in the queue of the pool. */
  want(count: number): void {
    this.demand.waiting += count
    this.demand.needed += count
    this.demand.wanted += count
  }

  /** A session that was asked for, new or seen before. */
  session(session = new Session(), lane: Lane = new SessionLane(session)): Lane {
    assert.isAbove(this.count("AskForSession"), this.came++, "no session was asked for")
    this.machine.sessionCame(lane, this.now)
    return lane
  }

  /** The session grants the stream that was asked of it. */
  opened(lane: Lane): Record {
    const stream = new LaneStream(new Stream(), lane)
    lane.session.streamsOpened++
    this.machine.opened(stream, this.now)
    return stream
  }

  refused(lane: Lane): void {
    this.machine.openFailed(lane, true, "limit", this.now)
  }

  /** The stream is lent, as an item of the pool. */
  lent(stream: Record): number {
    this.want(-1)
    this.machine.becameItem(stream)
    return this.machine.lent(stream)
  }

  /** A new stream in use, of the session that the machine chooses. */
  borrowed(): Record {
    this.request()
    if (this.count("AskForSession") > this.came) this.session()
    const stream = this.opened(this.ofTag("OpenStream").at(-1)!.lane)
    this.lent(stream)
    return stream
  }

  /** The stream ends, and the platform confirms it. */
  end(stream: Record): void {
    this.machine.returned(stream, false, undefined)
    this.machine.discard(stream, this.now)
    this.machine.ended(stream, false, this.now)
  }
}

describe("a session that refuses a stream", () => {
  it("and never granted a stream is retired, and the request fails with the refusal", () => {
    const pool = new Pool()
    const request = pool.request()
    const lane = pool.session()
    pool.refused(lane)
    assert.deepStrictEqual(pool.ofTag("RetireSession"), [{ _tag: "RetireSession", lane, isUngranted: false }])
    assert.deepStrictEqual(pool.ofTag("Refuse"), [
      { _tag: "Refuse", request, refusal: { _tag: "Failed", failure: "limit" } }
    ])
    assert.strictEqual(pool.count("GiveSessionBack"), 1)
    // the pool is not woken for a session that no request waits for
    assert.notInclude(pool.ofTag("WakeAt").map(({ at }) => at), pool.machine.sessionsAt)
  })

  it("fails no request while another session may serve it", () => {
    const pool = new Pool({ maxStreamsPerSession: 1 })
    const { lane } = pool.borrowed()
    pool.request()
    pool.refused(pool.session())
    assert.strictEqual(pool.count("RetireSession"), 1)
    assert.strictEqual(pool.count("Refuse"), 0)
    assert.isFalse(lane.isRetired)
  })

  it("and granted streams before is replaced at once", () => {
    const pool = new Pool()
    pool.request()
    const session = new Session()
    session.streamsOpened = 1
    pool.refused(pool.session(session))
    assert.strictEqual(pool.count("RetireSession"), 1)
    assert.strictEqual(pool.count("Refuse"), 0)
    assert.strictEqual(pool.count("AskForSession"), 2)
  })

  it("makes the pool wait before it asks for another session: 10 ms, then twice as long each time, at most 1 s", () => {
    const pool = new Pool()
    const delays = Array.from({ length: 9 }, () => {
      pool.request()
      assert.strictEqual(pool.count("AskForSession"), pool.count("GiveSessionBack") + 1)
      pool.refused(pool.session())
      pool.want(-1)
      const delay = pool.machine.sessionsAt - pool.now
      pool.pass(delay)
      return delay
    })
    assert.deepStrictEqual(delays, [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000])
    // a new session that grants a stream ends the series
    pool.borrowed()
    assert.isBelow(pool.machine.sessionsAt, pool.now)
    pool.machine.sessionFailed("down", pool.now)
    assert.strictEqual(pool.machine.sessionsAt, pool.now + 10)
  })

  it("makes the pool wait, even while an older session grants streams", () => {
    const pool = new Pool({ maxStreamsPerSession: 2 })
    const { lane } = pool.borrowed()
    pool.request()
    pool.request()
    pool.refused(pool.session())
    const readyAt = pool.machine.sessionsAt
    assert.strictEqual(readyAt, pool.now + 10)
    pool.opened(lane)
    assert.strictEqual(pool.machine.sessionsAt, readyAt)
  })

  it("is asked again after 10 ms, then twice as long each time, at most 1 s", () => {
    const pool = new Pool()
    const lane = pool.borrowed().lane
    const request = pool.request()
    const delays = Array.from({ length: 9 }, () => {
      const before = pool.count("OpenStream")
      pool.refused(lane)
      const delay = lane.probeAt - pool.now
      pool.pass(delay - 1)
      assert.strictEqual(pool.count("OpenStream"), before)
      pool.pass(1)
      assert.strictEqual(pool.count("OpenStream"), before + 1)
      return delay
    })
    assert.deepStrictEqual(delays, [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000])
    assert.strictEqual(request.state, "Waiting")
  })

  it("is asked for more at once when it has granted a stream", () => {
    const pool = new Pool()
    const { lane } = pool.borrowed()
    pool.request()
    pool.refused(lane)
    pool.pass(10)
    pool.lent(pool.opened(lane))
    assert.isFalse(lane.isFull)
    const before = pool.count("OpenStream")
    pool.request()
    assert.strictEqual(pool.count("OpenStream"), before + 1)
    assert.strictEqual(lane.probeAt, Infinity)
    pool.machine.streamFreed(lane, pool.now)
    assert.strictEqual(lane.probeAt, Infinity)
    pool.refused(lane)
    assert.strictEqual(lane.probeAt, pool.now + 10)
  })

  it("is asked again when one of its streams has ended, no sooner than 10 ms after the refusal", () => {
    const pool = new Pool()
    const lane = pool.borrowed().lane
    pool.request()
    pool.refused(lane)
    pool.pass(10)
    pool.refused(lane)
    const before = pool.count("OpenStream")
    pool.machine.streamFreed(lane, pool.now)
    assert.strictEqual(lane.probeAt, pool.now + 10)
    pool.pass(10)
    assert.strictEqual(pool.count("OpenStream"), before + 1)
    pool.refused(lane)
    pool.pass(11)
    pool.machine.streamFreed(lane, pool.now)
    assert.strictEqual(pool.count("OpenStream"), before + 2)
  })

  it("is not asked for streams that no borrower waits for", () => {
    const pool = new Pool()
    const lane = pool.borrowed().lane
    pool.request()
    pool.refused(lane)
    // the borrower has left
    pool.want(-1)
    pool.pass(1)
    const [opened, wakes] = [pool.count("OpenStream"), pool.count("WakeAt")]
    pool.pass(1)
    assert.strictEqual(pool.count("WakeAt"), wakes)
    pool.pass(8)
    assert.strictEqual(pool.count("OpenStream"), opened)
  })

  it("serves the pool for as long as it has a stream, one that ends included", () => {
    const pool = new Pool()
    const stream = pool.borrowed()
    const { lane } = stream
    pool.request()
    pool.refused(lane)
    assert.strictEqual(pool.count("RetireSession"), 0)
    pool.machine.returned(stream, false, undefined)
    pool.machine.discard(stream, pool.now)
    pool.pass(10)
    pool.refused(lane)
    assert.strictEqual(pool.count("RetireSession"), 0)
    pool.machine.ended(stream, false, pool.now)
    pool.pass(20)
    pool.refused(lane)
    assert.strictEqual(pool.count("RetireSession"), 1)
  })

  it("and is the caller's fails the request, unless a stream of it ended within openTimeout", () => {
    const lane: Lane = new SessionLane(new Session())
    const pool = new Pool({ fixed: lane })
    pool.request()
    pool.refused(lane)
    assert.strictEqual(pool.count("Refuse"), 1)
    pool.want(-1)
    pool.pass(10)
    const stream = pool.borrowed()
    pool.end(stream)
    const endedAt = pool.now
    pool.request()
    while (pool.now < endedAt + 400) {
      pool.refused(lane)
      assert.strictEqual(pool.count("Refuse"), 1)
      pool.pass(Math.min(lane.probeAt, endedAt + 400) - pool.now)
    }
    pool.refused(lane)
    assert.strictEqual(pool.count("Refuse"), 2)
    assert.strictEqual(pool.count("RetireSession"), 0)
  })

  it("and is the caller's may do so while a stream of the caller has just ended", () => {
    const lane: Lane = new SessionLane(new Session())
    const pool = new Pool({ fixed: lane })
    pool.machine.streamFreed(lane, pool.now)
    const request = pool.request()
    pool.refused(lane)
    assert.strictEqual(request.state, "Waiting")
  })
})

describe("a session that fails to open a stream", () => {
  it("fails the request, and stays", () => {
    const pool = new Pool()
    const request = pool.request()
    const lane = pool.session()
    pool.machine.openFailed(lane, false, "broken", pool.now)
    assert.deepStrictEqual(pool.ofTag("Refuse"), [
      { _tag: "Refuse", request, refusal: { _tag: "Failed", failure: "broken" } }
    ])
    assert.strictEqual(pool.count("RetireSession"), 0)
    assert.isFalse(lane.isFull)
  })

  it("because it ends fails no request that another may serve", () => {
    const pool = new Pool()
    const request = pool.request()
    const lane = pool.session()
    lane.session.gone = "it closes"
    pool.machine.openFailed(lane, false, "gone", pool.now)
    assert.strictEqual(request.state, "Waiting")
    assert.strictEqual(pool.count("AskForSession"), 2)
  })

  it("too late fails no request", () => {
    const pool = new Pool()
    const { lane } = pool.borrowed()
    pool.request()
    pool.pass(400)
    pool.machine.openFailed(lane, false, "broken", pool.now)
    assert.strictEqual(pool.count("Refuse"), 0)
  })
})

describe("a session whose ping may have taken the stream", () => {
  const refuse = (pool: Pool, lane: Lane): void => {
    pool.refused(lane)
    pool.pass(Math.max(0, lane.probeAt - pool.now))
  }

  it("may refuse seven times after the ping, before it is retired", () => {
    const pool = new Pool()
    pool.request()
    const lane = pool.session()
    lane.session.isPingLatest = true
    for (let i = 0; i < 7; i++) refuse(pool, lane)
    assert.strictEqual(pool.count("ForgetPing"), 0)
    assert.strictEqual(pool.count("RetireSession"), 0)
    assert.strictEqual(pool.count("GiveSessionBack"), 0)
    refuse(pool, lane)
    assert.strictEqual(pool.count("ForgetPing"), 1)
    assert.strictEqual(pool.count("RetireSession"), 1)
  })

  it("may do so too where it is the caller's, before the request fails", () => {
    const lane: Lane = new SessionLane(new Session())
    const pool = new Pool({ fixed: lane })
    pool.request()
    lane.session.isPingLatest = true
    for (let i = 0; i < 7; i++) refuse(pool, lane)
    assert.strictEqual(pool.count("Refuse"), 0)
    refuse(pool, lane)
    assert.strictEqual(pool.count("Refuse"), 1)
  })

  it("may refuse for as long as the ping lasts", () => {
    const pool = new Pool()
    pool.request()
    const lane = pool.session()
    lane.session.isPingLatest = true
    lane.session.pings.size = 1
    for (let i = 0; i < 20; i++) refuse(pool, lane)
    assert.strictEqual(pool.count("ForgetPing"), 0)
    assert.strictEqual(pool.count("RetireSession"), 0)
    assert.strictEqual(pool.count("Refuse"), 0)
  })

  it("may refuse as often after the next grant", () => {
    const pool = new Pool()
    pool.request()
    const lane = pool.session()
    lane.session.isPingLatest = true
    for (let i = 0; i < 7; i++) refuse(pool, lane)
    const stream = pool.opened(lane)
    pool.lent(stream)
    pool.request()
    pool.end(stream)
    for (let i = 0; i < 7; i++) refuse(pool, lane)
    assert.strictEqual(pool.count("RetireSession"), 0)
  })
})

describe("a stream that does not come within openTimeout", () => {
  it("fails the request, and its session, which has no other, is retired as one that grants none", () => {
    const pool = new Pool()
    const request = pool.request()
    const lane = pool.session()
    assert.strictEqual(pool.ofTag("WakeAt").at(-1)!.at, pool.now + 400)
    pool.pass(399)
    assert.strictEqual(request.state, "Waiting")
    pool.pass(1)
    assert.deepStrictEqual(pool.ofTag("Refuse"), [{ _tag: "Refuse", request, refusal: { _tag: "Late" } }])
    assert.strictEqual(request.state, "Refused")
    assert.deepStrictEqual(pool.ofTag("RetireSession"), [{ _tag: "RetireSession", lane, isUngranted: true }])
    assert.strictEqual(pool.count("AbandonOpening"), 1)
    assert.strictEqual(pool.count("GiveSessionBack"), 1)
  })

  for (const fact of ["the peer may owe credit to the session", "a ping of the session lasts"] as const) {
    it(`may come later while ${fact}`, () => {
      const pool = new Pool()
      const stream = pool.borrowed()
      const { lane } = stream
      const owe = (owes: boolean) => {
        if (fact === "a ping of the session lasts") lane.session.pings.size = owes ? 1 : 0
        else lane.session.mayBeOwedCredit = owes
      }
      owe(true)
      pool.request()
      pool.pass(400)
      pool.machine.returned(stream, false, undefined)
      pool.machine.discard(stream, pool.now)
      // the credit of the stream comes first
      assert.strictEqual(lane.lateAt, Infinity)
      pool.machine.ended(stream, false, pool.now)
      assert.strictEqual(lane.lateAt, pool.now + 400)
      pool.pass(400)
      assert.strictEqual(pool.count("AbandonOpening"), 0)
      owe(false)
      pool.pass(399)
      assert.strictEqual(pool.count("AbandonOpening"), 0)
      pool.pass(1)
      assert.strictEqual(pool.count("AbandonOpening"), 1)
      assert.deepStrictEqual(pool.ofTag("RetireSession"), [{ _tag: "RetireSession", lane, isUngranted: true }])
      assert.strictEqual(pool.count("GiveSessionBack"), 1)
    })
  }

  it("fails no request while the peer may owe credit to its session", () => {
    const pool = new Pool()
    const request = pool.request()
    const session = new Session()
    session.mayBeOwedCredit = true
    pool.session(session)
    pool.pass(400)
    assert.strictEqual(request.state, "Waiting")
    assert.strictEqual(pool.count("RetireSession"), 0)
    session.mayBeOwedCredit = false
    pool.pass(400)
    assert.strictEqual(pool.count("AbandonOpening"), 1)
    // another session is on its way
    assert.strictEqual(request.state, "Waiting")
  })

  it("delays no later request if none waited for it", () => {
    const pool = new Pool()
    const request = pool.request()
    pool.session()
    pool.want(-1)
    pool.machine.abandon(request, pool.now)
    pool.pass(400)
    assert.strictEqual(pool.count("GiveSessionBack"), 1)
    assert.isBelow(pool.machine.sessionsAt, pool.now)
  })

  it("may be asked of its session anew, should that come again", () => {
    const pool = new Pool()
    pool.request()
    const lane = pool.session()
    pool.pass(400)
    assert.strictEqual(pool.count("GiveSessionBack"), 1)
    pool.pass(10)
    pool.want(-1)
    pool.request()
    // it is retired, and in its last use
    pool.session(lane.session, lane)
    assert.deepStrictEqual(pool.ofTag("OpenStream").map(({ lane }) => lane), [lane, lane])
  })

  it("goes to the next request when it comes, and needs no item of its own", () => {
    const pool = new Pool()
    const { lane } = pool.borrowed()
    const request = pool.request()
    pool.pass(400)
    const stream = pool.opened(lane)
    assert.strictEqual(request.stream, stream)
    assert.strictEqual(pool.count("PrepareItem"), 0)
  })

  it("becomes a spare stream when it comes", () => {
    const pool = new Pool()
    const lane = pool.borrowed().lane
    const request = pool.request()
    pool.pass(400)
    pool.want(-1)
    pool.machine.abandon(request, pool.now)
    const stream = pool.opened(lane)
    assert.deepStrictEqual(pool.ofTag("PrepareItem"), [{ _tag: "PrepareItem", stream }])
  })
})

describe("new sessions", () => {
  it("are as many as the waiting borrowers need", () => {
    const pool = new Pool({ maxStreamsPerSession: 2 })
    for (let i = 0; i < 5; i++) pool.request()
    assert.strictEqual(pool.count("AskForSession"), 3)
  })

  it("are judged by what the others grant", () => {
    const pool = new Pool()
    const lane = pool.borrowed().lane
    pool.request()
    pool.request()
    pool.refused(lane)
    // each may grant one stream only
    assert.strictEqual(pool.count("AskForSession"), 3)
  })

  it("are asked for one by one where no limit is known", () => {
    const pool = new Pool({ maxStreamsPerSession: Infinity })
    for (let i = 0; i < 5; i++) pool.request()
    assert.strictEqual(pool.count("AskForSession"), 1)
  })

  it("wait for a stream of a session that has room for more", () => {
    const pool = new Pool({ maxStreamsPerSession: 2 })
    pool.request()
    const lane = pool.session()
    pool.request()
    pool.request()
    assert.strictEqual(pool.count("AskForSession"), 1)
    pool.opened(lane)
    assert.strictEqual(pool.count("AskForSession"), 2)
  })

  it("are asked for at once where the stream under way is of a session that leaves", () => {
    const pool = new Pool()
    pool.request()
    const { session } = pool.session()
    session.isRetired = true
    pool.request()
    assert.strictEqual(pool.count("AskForSession"), 2)
  })

  it("are asked for by a borrower that waits for that very stream", () => {
    const pool = new Pool()
    pool.request(true)
    assert.strictEqual(pool.count("AskForSession"), 1)
  })

  it("are asked for by requests from before the start, after it", () => {
    const pool = new Pool({ starts: false })
    pool.request()
    assert.strictEqual(pool.count("AskForSession"), 0)
    pool.machine.start(undefined, pool.now)
    assert.strictEqual(pool.count("AskForSession"), 1)
  })

  it("are not asked for to keep streams ready while other borrowers wait for sessions", () => {
    const pool = new Pool()
    pool.supply.waiting = 1
    pool.demand.wanted = 1
    pool.machine.request(new StreamRequest(false), pool.now)
    assert.strictEqual(pool.count("AskForSession"), 0)
    pool.supply.waiting = 0
    pool.machine.demandChanged(pool.now)
    assert.strictEqual(pool.count("AskForSession"), 1)
  })

  it("that fail to come fail the requests, unless another may come or is there", () => {
    const alone = new Pool()
    const request = alone.request()
    alone.machine.sessionFailed("down", alone.now)
    assert.deepStrictEqual(alone.ofTag("Refuse"), [
      { _tag: "Refuse", request, refusal: { _tag: "Failed", failure: "down" } }
    ])
    const another = new Pool({ maxStreamsPerSession: 1 })
    another.request()
    another.request()
    assert.strictEqual(another.count("AskForSession"), 2)
    another.machine.sessionFailed("down", another.now)
    assert.strictEqual(another.count("Refuse"), 0)
    another.session()
    another.request()
    another.pass(10)
    assert.strictEqual(another.count("AskForSession"), 4)
    another.machine.sessionFailed("down", another.now)
    another.machine.sessionFailed("down", another.now)
    assert.strictEqual(another.count("Refuse"), 0)
  })

  it("that are dead when they come go back at once", () => {
    const pool = new Pool()
    pool.request()
    const session = new Session()
    session.gone = "it closed"
    session.state = "Closed"
    pool.session(session)
    assert.strictEqual(pool.count("GiveSessionBack"), 1)
    assert.strictEqual(pool.count("OpenStream"), 0)
    assert.strictEqual(pool.count("AskForSession"), 2)
  })
})

describe("a new stream", () => {
  it("comes from the session with the fewest streams", () => {
    const pool = new Pool({ maxStreamsPerSession: 3 })
    const streams = Array.from({ length: 9 }, () => pool.borrowed())
    const lanes = [...new Set(streams.map(({ lane }) => lane))]
    assert.strictEqual(lanes.length, 3)
    for (const i of [0, 3, 4, 6]) pool.end(streams[i]!)
    assert.deepStrictEqual(lanes.map(({ streams }) => streams.size), [2, 1, 2])
    assert.strictEqual(pool.borrowed().lane, lanes[1])
    assert.strictEqual(pool.borrowed().lane, lanes[0])
  })
})

describe("a session without streams", () => {
  it("goes back, with whether bytes came in this lease", () => {
    for (const came of [0, 1]) {
      const pool = new Pool()
      pool.request()
      const session = new Session()
      session.bytesReceived = 7
      const stream = pool.opened(pool.session(session))
      pool.lent(stream)
      session.bytesReceived += came
      pool.end(stream)
      assert.deepStrictEqual(pool.ofTag("GiveSessionBack").map(({ hasReceived }) => hasReceived), [came > 0])
    }
  })
})

describe("a session that comes again", () => {
  it("is asked for a stream at once, even if it was full when it went", () => {
    const pool = new Pool()
    const stream = pool.borrowed()
    const { lane } = stream
    const request = pool.request()
    pool.refused(lane)
    pool.want(-1)
    pool.machine.abandon(request, pool.now)
    pool.end(stream)
    assert.strictEqual(pool.count("GiveSessionBack"), 1)
    pool.request()
    const before = pool.count("OpenStream")
    pool.session(lane.session, lane)
    assert.strictEqual(pool.count("OpenStream"), before + 1)
  })
})

describe("other borrowers of sessions", () => {
  /** Two sessions with an idle stream each. */
  const idle = (pool: Pool): ReadonlyArray<Record> =>
    [1, 2].map(() => {
      const stream = pool.borrowed()
      pool.machine.returned(stream, false, undefined)
      return stream
    })

  it("get as many sessions as they wait for", () => {
    const pool = new Pool({ maxStreamsPerSession: 1 })
    const [stream, other] = idle(pool)
    pool.supply.waiting = 1
    pool.machine.demandChanged(pool.now)
    assert.deepStrictEqual(pool.ofTag("RetireItem"), [{ _tag: "RetireItem", stream: stream! }])
    pool.machine.demandChanged(pool.now)
    assert.strictEqual(pool.count("RetireItem"), 1)
    assert.strictEqual(pool.machine.verdictOf(other!, true), "keep")
    assert.strictEqual(pool.machine.verdictOf(stream!, true), "retire")
    pool.machine.discard(stream!, pool.now)
    pool.machine.ended(stream!, false, pool.now)
    assert.strictEqual(pool.count("GiveSessionBack"), 1)
  })

  it("get the sessions without streams first", () => {
    const pool = new Pool({ maxStreamsPerSession: 1 })
    const [stream, other] = idle(pool)
    pool.machine.discard(other!, pool.now)
    pool.supply.waiting = 1
    // the end of the stream is the last thing that its session waits for
    pool.machine.ended(other!, false, pool.now)
    assert.deepStrictEqual(pool.ofTag("GiveSessionBack").map(({ lane }) => lane), [other!.lane])
    assert.strictEqual(pool.count("RetireItem"), 0)
    assert.strictEqual(pool.machine.verdictOf(stream!, true), "retire")
  })

  it("wait for a session while a stream of it is lent, opened, or granted to a borrower", () => {
    const pool = new Pool()
    const stream = pool.borrowed()
    pool.supply.waiting = 1
    pool.machine.demandChanged(pool.now)
    assert.strictEqual(pool.count("RetireItem"), 0)
    const request = pool.request()
    pool.machine.returned(stream, false, undefined)
    assert.strictEqual(pool.machine.verdictOf(stream, true), "keep")
    pool.want(-1)
    const granted = pool.opened(stream.lane)
    assert.strictEqual(request.stream, granted)
    assert.strictEqual(pool.machine.verdictOf(stream, true), "keep")
    // its borrower was served meanwhile
    pool.machine.becameItem(granted)
    assert.deepStrictEqual(pool.ofTag("RetireItem").map(({ stream }) => stream), [stream, granted])
  })

  it("come after borrowers of streams, unless there are too many sessions", () => {
    const pool = new Pool()
    const stream = pool.borrowed()
    pool.machine.returned(stream, false, undefined)
    pool.supply.waiting = 1
    pool.demand.waiting = 1
    assert.strictEqual(pool.machine.verdictOf(stream, true), "keep")
    pool.supply.waiting = 0
    pool.supply.excess = 1
    assert.strictEqual(pool.machine.verdictOf(stream, true), "retire")
  })

  it("get a session whose stream is late", () => {
    const pool = new Pool()
    const stream = pool.borrowed()
    pool.request()
    pool.pass(400)
    pool.want(-1)
    pool.supply.waiting = 1 + pool.count("AskForSession")
    pool.machine.returned(stream, false, undefined)
    assert.strictEqual(pool.machine.verdictOf(stream, true), "retire")
    // the late stream is not kept
    const late = pool.opened(stream.lane)
    assert.deepStrictEqual(pool.ofTag("EndStream"), [{ _tag: "EndStream", stream: late, how: "finish" }])
  })

  it("are no reason to end streams of the caller's session", () => {
    const lane: Lane = new SessionLane(new Session())
    const pool = new Pool({ fixed: lane })
    const stream = pool.borrowed()
    pool.machine.returned(stream, false, undefined)
    pool.supply.waiting = 1
    assert.strictEqual(pool.machine.verdictOf(stream, true), "keep")
  })

  it("get a session when the last borrower of it returns its stream, and the idle streams of it go, too", () => {
    const pool = new Pool()
    const [idle, last] = [pool.borrowed(), pool.borrowed()]
    pool.machine.returned(idle!, false, undefined)
    pool.supply.waiting = 1
    assert.strictEqual(pool.machine.verdictOf(idle!, true), "keep")
    pool.machine.returned(last!, false, undefined)
    assert.strictEqual(pool.machine.verdictOf(last!, true), "retire")
    assert.deepStrictEqual(pool.ofTag("RetireItem").map(({ stream }) => stream), [idle, last])
  })

  it("do not get a session that a borrower of streams needs again", () => {
    const pool = new Pool()
    const [lent, idle] = [pool.borrowed(), pool.borrowed()]
    pool.machine.returned(idle!, false, undefined)
    pool.machine.returned(lent!, false, undefined)
    pool.supply.waiting = 1
    assert.strictEqual(pool.machine.verdictOf(lent!, true), "retire")
    pool.request()
    assert.strictEqual(pool.machine.verdictOf(idle!, true), "keep")
  })

  it("get a session rather than the pool a spare stream", () => {
    const pool = new Pool()
    const request = pool.request()
    const lane = pool.session()
    pool.supply.waiting = 1
    pool.want(-1)
    pool.machine.abandon(request, pool.now)
    pool.opened(lane)
    assert.strictEqual(pool.count("PrepareItem"), 0)
    assert.strictEqual(pool.count("EndStream"), 1)
  })
})

describe("the end of a stream", () => {
  it("begins once, whatever comes later", () => {
    const pool = new Pool()
    const [stream, other] = [pool.borrowed(), pool.borrowed()]
    pool.machine.returned(stream!, false, undefined)
    pool.machine.discard(stream!, pool.now)
    pool.machine.discard(stream!, pool.now)
    pool.machine.awaitWrites(stream!, pool.now)
    assert.strictEqual(pool.machine.written(stream!), "discard")
    pool.machine.ended(stream!, false, pool.now)
    pool.machine.discard(stream!, pool.now)
    pool.pass(1_000)
    assert.strictEqual(pool.count("StopAwaitingWrites"), 0)
    other!.lane.session.gone = "it closes"
    pool.machine.discard(other!, pool.now)
    pool.machine.discard(other!, pool.now)
    assert.deepStrictEqual(pool.ofTag("EndStream").map(({ stream }) => stream), [stream, other])
  })

  it("is nothing to worry about when it is confirmed", () => {
    const pool = new Pool()
    const kept = pool.borrowed()
    for (let i = 0; i < 20; i++) pool.end(pool.borrowed())
    assert.strictEqual(kept.lane.unconfirmed, 0)
    assert.strictEqual(pool.count("RetireSession"), 0)
  })

  it("is a reset after an exchange that was cut short", () => {
    const pool = new Pool()
    for (const isSpoiled of [true, false]) {
      const stream = pool.borrowed()
      pool.machine.returned(stream, isSpoiled, undefined)
      pool.machine.discard(stream, pool.now)
    }
    assert.deepStrictEqual(pool.ofTag("EndStream").map(({ how }) => how), ["reset", "finish"])
  })

  it("is awaited for a second; after eight that were not confirmed the session is retired", () => {
    const pool = new Pool()
    const kept = pool.borrowed()
    const { lane } = kept
    const ends = (count: number) => {
      const streams = Array.from({ length: count }, () => pool.borrowed())
      for (const stream of streams) {
        pool.machine.returned(stream, false, undefined)
        pool.machine.discard(stream, pool.now)
      }
      assert.strictEqual(lane.ending, count)
      pool.pass(999)
      assert.strictEqual(lane.ending, count)
      pool.pass(1)
      assert.strictEqual(lane.ending, 0)
    }
    ends(7)
    assert.strictEqual(pool.count("RetireSession"), 0)
    ends(1)
    assert.deepStrictEqual(pool.ofTag("RetireSession"), [{ _tag: "RetireSession", lane, isUngranted: false }])
    assert.strictEqual(kept.state, "Open")
  })

  it("counts as not confirmed where the transport was silent", () => {
    const pool = new Pool()
    const streams = Array.from({ length: 9 }, () => pool.borrowed())
    const { lane } = streams[0]!
    streams.slice(1).forEach((stream, i) => {
      assert.strictEqual(pool.count("RetireSession"), 0)
      pool.machine.returned(stream, false, undefined)
      pool.machine.discard(stream, pool.now)
      pool.machine.ended(stream, true, pool.now)
      assert.strictEqual(lane.unconfirmed, i + 1)
    })
    assert.strictEqual(pool.count("RetireSession"), 1)
  })

  it("is awaited for as long as the platform takes the bytes of a finished stream", () => {
    const pool = new Pool()
    const stream = pool.borrowed()
    const { lane } = stream
    stream.stream.isSending = true
    pool.machine.returned(stream, false, undefined)
    pool.machine.discard(stream, pool.now)
    for (let i = 0; i < 3; i++) pool.pass(1_000)
    assert.strictEqual(lane.ending, 1)
    stream.stream.isSending = false
    pool.pass(1_000)
    assert.strictEqual(lane.ending, 0)
    assert.strictEqual(lane.unconfirmed, 1)
  })

  it("of a reset is awaited while a write is under way and the session takes bytes", () => {
    const pool = new Pool()
    const stream = pool.borrowed()
    const { lane } = stream
    stream.stream.isWriting = true
    pool.machine.returned(stream, true, undefined)
    pool.machine.discard(stream, pool.now)
    for (let i = 0; i < 3; i++) {
      lane.session.taken++
      pool.pass(1_000)
    }
    assert.strictEqual(lane.ending, 1)
    pool.pass(1_000)
    assert.strictEqual(lane.ending, 0)
    assert.strictEqual(lane.unconfirmed, 1)
  })

  it("confirmed late, or twice, counts once", () => {
    const pool = new Pool()
    const [kept, stream] = [pool.borrowed(), pool.borrowed()]
    pool.machine.returned(stream!, false, undefined)
    pool.machine.discard(stream!, pool.now)
    pool.pass(1_000)
    pool.machine.ended(stream!, false, pool.now)
    pool.machine.ended(stream!, false, pool.now)
    assert.strictEqual(stream!.lane.ending, 0)
    assert.strictEqual(kept!.state, "Open")
  })
})

describe("a stream that comes back before its writes are complete", () => {
  it("is kept when they are", () => {
    const pool = new Pool()
    const stream = pool.borrowed()
    pool.pass(400)
    pool.machine.returned(stream, false, undefined)
    pool.machine.awaitWrites(stream, pool.now)
    assert.strictEqual(pool.ofTag("WakeAt").at(-1)!.at, pool.now + 1_000)
    assert.strictEqual(pool.machine.written(stream), "keep")
    pool.pass(1_000)
    assert.strictEqual(pool.count("StopAwaitingWrites"), 0)
  })

  it("is discarded when they fail, or take more than a second", () => {
    const pool = new Pool()
    const stream = pool.borrowed()
    pool.machine.returned(stream, false, undefined)
    stream.stream.areWritesSettled = false
    pool.machine.awaitWrites(stream, pool.now)
    pool.pass(999)
    assert.strictEqual(pool.count("StopAwaitingWrites"), 0)
    pool.pass(1)
    assert.deepStrictEqual(pool.ofTag("StopAwaitingWrites"), [{ _tag: "StopAwaitingWrites", stream }])
    pool.pass(1_000)
    assert.strictEqual(pool.count("StopAwaitingWrites"), 1)
    assert.strictEqual(pool.machine.written(stream), "discard")
  })

  it("may end before they are", () => {
    const pool = new Pool()
    const [stream, other] = [pool.borrowed(), pool.borrowed()]
    pool.machine.returned(stream!, false, undefined)
    pool.machine.awaitWrites(stream!, pool.now)
    pool.machine.discard(stream!, pool.now)
    assert.strictEqual(pool.machine.written(stream!), "discard")
    pool.machine.discard(stream!, pool.now)
    assert.strictEqual(pool.count("EndStream"), 1)
    pool.machine.ended(stream!, false, pool.now)
    pool.pass(1_000)
    assert.strictEqual(pool.count("StopAwaitingWrites"), 0)
    assert.strictEqual(other!.lane.unconfirmed, 0)
  })
})

describe("borrowers that wait for bytes in vain", () => {
  const inVain = (pool: Pool, stream: Record): void => {
    const began = pool.machine.lent(stream)
    pool.machine.returned(stream, true, began)
  }

  it("cost the session its place when there were suspectAfter in a row", () => {
    const pool = new Pool({ suspectAfter: 3 })
    const { lane } = pool.borrowed()
    inVain(pool, pool.borrowed())
    inVain(pool, pool.borrowed())
    assert.strictEqual(pool.count("WarnSuspect"), 0)
    inVain(pool, pool.borrowed())
    assert.deepStrictEqual(pool.ofTag("WarnSuspect"), [{ _tag: "WarnSuspect", lane, unanswered: 3 }])
    assert.deepStrictEqual(pool.ofTag("RetireSession"), [{ _tag: "RetireSession", lane, isUngranted: false }])
    inVain(pool, pool.borrowed())
    assert.strictEqual(pool.count("WarnSuspect"), 1)
  })

  it("do not count once bytes have come on any stream of the session", () => {
    const pool = new Pool()
    const { lane } = pool.borrowed()
    for (let i = 0; i < 5; i++) {
      inVain(pool, pool.borrowed())
      lane.session.bytesReceived++
    }
    assert.strictEqual(pool.count("WarnSuspect"), 0)
  })

  it("count once where they waited at the same time", () => {
    const pool = new Pool()
    const streams = [1, 2, 3].map(() => pool.borrowed())
    const borrows = streams.map((stream) => ({ stream, began: pool.machine.lent(stream) }))
    for (const { began, stream } of borrows) pool.machine.returned(stream, true, began)
    assert.strictEqual(pool.count("WarnSuspect"), 0)
    inVain(pool, pool.borrowed())
    assert.strictEqual(pool.count("WarnSuspect"), 1)
  })

  it("make the next stream come from another session", () => {
    const pool = new Pool({ maxStreamsPerSession: 2 })
    const [ended, suspect, other] = [1, 2, 3].map(() => pool.borrowed())
    assert.strictEqual(suspect!.lane, ended!.lane)
    pool.end(ended!)
    inVain(pool, suspect!)
    assert.strictEqual(pool.borrowed().lane, other!.lane)
    // no other has room
    assert.strictEqual(pool.borrowed().lane, suspect!.lane)
  })

  it("make it come from another session, even if that has more streams", () => {
    const pool = new Pool({ maxStreamsPerSession: 3 })
    const streams = Array.from({ length: 6 }, () => pool.borrowed())
    const [lane, suspect] = [streams[0]!.lane, streams[5]!.lane]
    inVain(pool, streams[5]!)
    for (const i of [0, 3, 4]) pool.end(streams[i]!)
    assert.deepStrictEqual([lane.streams.size, suspect.streams.size], [2, 1])
    assert.strictEqual(pool.borrowed().lane, lane)
  })

  it("count from the first of them: bytes from before are none", () => {
    const session = new Session()
    session.bytesReceived = 1
    assert.isFalse(new SessionLane(session).isSuspect)
  })

  it("cost the caller's session nothing", () => {
    const lane: Lane = new SessionLane(new Session())
    const pool = new Pool({ fixed: lane, suspectAfter: 1 })
    inVain(pool, pool.borrowed())
    assert.strictEqual(pool.count("WarnSuspect"), 0)
    assert.strictEqual(pool.count("RetireSession"), 0)
  })
})

describe("a session that ends", () => {
  it("retires its streams while it closes, and loses them when it is closed", () => {
    const pool = new Pool()
    const stream = pool.borrowed()
    const { lane } = stream
    // one that is no item yet becomes none
    pool.request()
    pool.opened(lane)
    lane.session.gone = "it closes"
    lane.session.state = "Closing"
    pool.machine.sessionChanged(lane, pool.now)
    assert.deepStrictEqual(pool.ofTag("RetireItem"), [{ _tag: "RetireItem", stream }])
    assert.strictEqual(pool.count("GiveSessionBack"), 0)
    lane.session.state = "Closed"
    pool.machine.sessionChanged(lane, pool.now)
    assert.deepStrictEqual(pool.ofTag("LoseItem"), [{ _tag: "LoseItem", stream }])
    assert.strictEqual(pool.count("GiveSessionBack"), 1)
    pool.machine.sessionChanged(lane, pool.now)
    assert.strictEqual(pool.count("LoseItem"), 1)
  })

  it("retires its streams when it is retired", () => {
    const pool = new Pool()
    const stream = pool.borrowed()
    stream.lane.session.isRetired = true
    pool.machine.sessionChanged(stream.lane, pool.now)
    assert.deepStrictEqual(pool.ofTag("RetireItem"), [{ _tag: "RetireItem", stream }])
    assert.strictEqual(pool.machine.verdictOf(stream, true), "retire")
    assert.strictEqual(pool.machine.verdictOf(stream, false), "discard")
  })

  it("ends its spare streams", () => {
    const pool = new Pool()
    const { lane } = pool.borrowed()
    const request = pool.request()
    pool.want(-1)
    pool.machine.abandon(request, pool.now)
    const stream = pool.opened(lane)
    lane.session.isRetired = true
    pool.machine.sessionChanged(lane, pool.now)
    assert.deepStrictEqual(pool.ofTag("EndStream"), [{ _tag: "EndStream", stream, how: "finish" }])
  })

  it("and is the caller's breaks the pool down, also before it starts", () => {
    const lane: Lane = new SessionLane(new Session())
    lane.session.gone = "it closed"
    const pool = new Pool({ fixed: lane })
    assert.deepStrictEqual(pool.ofTag("BreakDown"), [{ _tag: "BreakDown", lane }])
  })

  it("and is the caller's breaks the pool down; its retirement does not", () => {
    const lane: Lane = new SessionLane(new Session())
    const pool = new Pool({ fixed: lane })
    const stream = pool.borrowed()
    lane.session.isRetired = true
    pool.machine.sessionChanged(lane, pool.now)
    assert.strictEqual(pool.count("BreakDown"), 0)
    assert.strictEqual(pool.machine.verdictOf(stream, true), "keep")
    lane.session.gone = "it closes"
    pool.machine.sessionChanged(lane, pool.now)
    assert.deepStrictEqual(pool.ofTag("BreakDown"), [{ _tag: "BreakDown", lane }])
    const request = pool.request()
    assert.deepStrictEqual(pool.ofTag("Refuse"), [{ _tag: "Refuse", request, refusal: { _tag: "Gone", lane } }])
  })

  it("is retired when it has opened maxStreamsOpened streams", () => {
    const pool = new Pool({ maxStreamsOpened: 2 })
    const { lane } = pool.borrowed()
    assert.strictEqual(pool.count("RetireSession"), 0)
    pool.borrowed()
    assert.deepStrictEqual(pool.ofTag("RetireSession"), [{ _tag: "RetireSession", lane, isUngranted: false }])
    pool.request()
    assert.strictEqual(pool.count("OpenStream"), 2)
  })

  it("retired when it comes, opens one stream", () => {
    const pool = new Pool()
    pool.request()
    const session = new Session()
    session.isRetired = true
    const lane = pool.session(session)
    assert.strictEqual(pool.count("OpenStream"), 1)
    pool.lent(pool.opened(lane))
    pool.request()
    assert.strictEqual(pool.count("OpenStream"), 1)
    assert.strictEqual(pool.count("AskForSession"), 2)
  })
})

describe("a session pool that drains", () => {
  it("retires all streams, and those that come", () => {
    const pool = new Pool()
    const stream = pool.borrowed()
    pool.request()
    pool.supply.isOpen = false
    pool.machine.demandChanged(pool.now)
    assert.deepStrictEqual(pool.ofTag("RetireItem"), [{ _tag: "RetireItem", stream }])
    const other = pool.opened(stream.lane)
    pool.machine.demandChanged(pool.now)
    assert.notInclude(pool.ofTag("RetireItem").map(({ stream }) => stream), other)
    pool.lent(other)
    assert.strictEqual(pool.ofTag("RetireItem").at(-1)!.stream, other)
    assert.strictEqual(pool.machine.verdictOf(other, true), "retire")
  })
})

describe("a spare stream", () => {
  /** A stream that came when its request had left. */
  const spare = (pool: Pool): Record => {
    const request = pool.request()
    const lane = pool.session()
    pool.want(-1)
    pool.machine.abandon(request, pool.now)
    return pool.opened(lane)
  }

  it("is for the next request", () => {
    const pool = new Pool()
    const stream = spare(pool)
    const request = pool.request()
    assert.deepStrictEqual(pool.ofTag("Grant"), [{ _tag: "Grant", request, stream }])
    pool.machine.prepared(stream, false, pool.now)
    assert.strictEqual(pool.count("EndStream"), 0)
  })

  it("ends where the pool has no room for it", () => {
    const pool = new Pool()
    const stream = spare(pool)
    pool.machine.prepared(stream, true, pool.now)
    assert.strictEqual(pool.count("EndStream"), 0)
    pool.machine.prepared(stream, false, pool.now)
    pool.machine.prepared(stream, false, pool.now)
    assert.deepStrictEqual(pool.ofTag("EndStream"), [{ _tag: "EndStream", stream, how: "finish" }])
  })

  it("is not granted when it is no longer clean, or its session leaves", () => {
    for (const fact of ["isInboxEmpty", "isRetired"] as const) {
      const pool = new Pool()
      const stream = spare(pool)
      if (fact === "isInboxEmpty") stream.stream.isInboxEmpty = false
      else stream.lane.session.isRetired = true
      pool.request()
      assert.strictEqual(pool.count("Grant"), 0, fact)
      assert.strictEqual(pool.count("EndStream"), 1, fact)
    }
  })

  it("is one that was granted to a creation which gave up, even twice", () => {
    const pool = new Pool()
    const request = pool.request()
    const stream = pool.opened(pool.session())
    assert.strictEqual(request.stream, stream)
    pool.machine.abandon(request, pool.now)
    const next = pool.request()
    assert.strictEqual(next.stream, stream)
    pool.machine.abandon(request, pool.now)
    assert.strictEqual(stream.state, "Open")
    assert.deepStrictEqual(pool.ofTag("Grant").map(({ request }) => request), [request, next])
  })
})

describe("a closed machine", () => {
  it("gives its sessions back, and refuses all requests", () => {
    const pool = new Pool()
    const stream = pool.borrowed()
    const [waiting] = [pool.request()]
    pool.machine.close()
    const late = pool.request()
    const refusal = { _tag: "Closed" }
    assert.deepStrictEqual(pool.ofTag("GiveSessionBack").map(({ lane }) => lane), [stream.lane])
    assert.deepStrictEqual(pool.ofTag("Refuse") as Array<unknown>, [
      { _tag: "Refuse", request: waiting, refusal },
      { _tag: "Refuse", request: late, refusal }
    ])
  })

  it("gives back a session that comes, and finishes a stream that comes", () => {
    const pool = new Pool({ maxStreamsPerSession: 1 })
    pool.request()
    pool.request()
    const lane = pool.session()
    pool.machine.close()
    const stream = pool.opened(lane)
    assert.deepStrictEqual(pool.ofTag("EndStream"), [{ _tag: "EndStream", stream, how: "finish" }])
    const other = pool.session()
    assert.strictEqual(pool.ofTag("GiveSessionBack").at(-1)!.lane, other)
  })

  it("asks for nothing more, whatever was under way", () => {
    const pool = new Pool({ maxStreamsPerSession: 10 })
    const streams = Array.from({ length: 10 }, () => pool.borrowed())
    for (const [i, stream] of streams.entries()) {
      pool.machine.returned(stream, false, undefined)
      if (i === 0) pool.machine.awaitWrites(stream, pool.now)
      else pool.machine.discard(stream, pool.now)
    }
    for (let i = 0; i < 15; i++) pool.request()
    const { lane } = streams[0]!
    pool.machine.close()
    const before = pool.commands.length
    pool.machine.openFailed(lane, false, "broken", pool.now)
    pool.machine.sessionFailed("down", pool.now)
    for (let i = 0; i < 10; i++) pool.pass(1_000)
    assert.deepStrictEqual(pool.commands.slice(before), [])
  })
})
