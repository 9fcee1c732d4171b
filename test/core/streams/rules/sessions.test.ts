import { assert, describe, it } from "vitest"
import { SessionLane } from "../../../../src/internal/core/streams/sessionLane.js"
import { StreamRequest } from "../../../../src/internal/core/streams/streamCommands.js"
import { type Lane, Pool, Session } from "./support.js"

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
