/** Single rules of the request machine. */
import { assert, describe, it } from "vitest"
import { AnswerReader } from "../../../src/internal/core/requests/answerReader.js"
import { encodeBatch, frameOverhead, maxIdSize } from "../../../src/internal/core/requests/batch.js"
import { idleTime, writeTime } from "../../../src/internal/core/requests/requestCommands.js"
import { maxIds, SharedRequest } from "../../../src/internal/core/requests/sharedStream.js"
import { World } from "./requestModel.js"

const options = {
  maxStreams: 2,
  maxInFlight: 4,
  correlate: true,
  maxBatch: 100,
  maxBuffered: 2,
  maxWaiters: 10,
  acquireTimeout: 1_000,
  silenceTimeout: Infinity,
  shutdownGrace: 30
}

/** A machine with one stream and one request in flight, whose write is not completed. */
const begun = (more: Partial<typeof options> = {}) => {
  const world = new World({ writeRoom: 1, options: { ...options, ...more } })
  world.request(4)
  world.open(world.sessions[0]!, false)
  world.flush()
  return { world, stream: world.streams[0]! }
}

const states = (world: World) => world.requests.map(({ state }) => state)

describe("a request machine", () => {
  it("relies on a write under way for a moment, before it asks for another stream", () => {
    const { stream, world } = begun()
    world.request(4)
    assert.strictEqual(world.openings, 0)
    assert.strictEqual(world.armed, 20)
    world.advance(writeTime)
    assert.strictEqual(world.openings, 1)
    world.written(stream)
    assert.deepStrictEqual(states(world), ["Sent", "Batched"])
  })

  it("relies on each write anew", () => {
    const { stream, world } = begun()
    world.request(4)
    world.written(stream)
    world.flush()
    world.advance(50)
    world.request(4)
    assert.strictEqual(world.openings, 0)
    world.advance(writeTime)
    assert.strictEqual(world.openings, 1)
  })

  it("relies on a write from when its stream has places", () => {
    const world = new World({ writeRoom: 1, options: { ...options, maxInFlight: 2 } })
    world.request(4)
    world.request(4)
    world.open(world.sessions[0]!, false)
    world.flush()
    world.request(4)
    assert.strictEqual(world.openings, 1)
    world.advance(50)
    world.answer(world.streams[0]!, world.requests[0]!)
    world.openFailed()
    world.advance(10)
    assert.strictEqual(world.openings, 0)
    world.advance(10)
    assert.strictEqual(world.openings, 1)
  })

  it("counts ids from 0", () => {
    assert.strictEqual(begun().world.requests[0]!.id, 0)
  })

  it("asks at once for another stream for requests beyond the places of the first", () => {
    const { world } = begun({ maxInFlight: 2 })
    world.request(4)
    assert.strictEqual(world.openings, 0)
    world.request(4)
    assert.strictEqual(world.openings, 1)
  })

  it("writes a lone request now, and others at the end of the turn", () => {
    const { stream, world } = begun()
    world.written(stream)
    world.request(4)
    assert.deepStrictEqual(world.flushes, ["EndOfTurn"])
    world.flush()
    world.written(stream)
    for (const request of [...stream.owed]) world.answer(stream, request)
    world.request(4)
    world.request(4)
    assert.deepStrictEqual(world.flushes, ["Now"])
  })

  it("replaces a stream that has no more ids", () => {
    const { stream, world } = begun()
    world.written(stream)
    stream.record.nextId = maxIds - 1
    world.request(4)
    assert.strictEqual(stream.record.state, "Leaving")
    world.request(4)
    assert.strictEqual(world.openings, 1)
    world.flush()
    assert.strictEqual(stream.owed.at(-1)!.id, maxIds - 1)
  })

  it("only pauses after a failed opening while another stream serves", () => {
    const { stream, world } = begun({ maxInFlight: 1 })
    world.request(4)
    world.openFailed()
    assert.deepStrictEqual(states(world), ["Sent", "Waiting"])
    assert.strictEqual(world.openings, 0)
    assert.strictEqual(world.armed, 10)
    world.advance(10)
    assert.strictEqual(world.openings, 1)
    world.lose(stream)
    world.openFailed()
    assert.deepStrictEqual(world.requests.map(({ outcome }) => outcome), ["failed", "refused"])
  })

  it("keeps the place of a request without an id until its answer has passed", () => {
    const { stream, world } = begun({ correlate: false, maxInFlight: 1, maxStreams: 1 })
    world.written(stream)
    const second = world.request(4)
    world.abandon(world.requests[0]!)
    assert.strictEqual(second.state, "Waiting")
    world.answer(stream, stream.owed[0]!)
    assert.strictEqual(second.state, "Batched")
  })

  it("puts requests that were not sent before those that came after them", () => {
    const { stream, world } = begun({ maxInFlight: 2, maxStreams: 1 })
    world.written(stream)
    world.request(4)
    world.request(4)
    world.lose(stream)
    assert.deepStrictEqual(states(world), ["Ended", "Waiting", "Waiting"])
    world.open(world.sessions[0]!, false)
    while (world.flushes.length > 0) world.flush()
    assert.deepStrictEqual(world.streams[1]!.owed.map(({ number }) => number), [1, 2])
  })
})

describe("a stream", () => {
  it("is lost once: what comes later changes nothing", () => {
    const { stream, world } = begun({ maxInFlight: 1 })
    world.request(4)
    world.open(world.sessions[0]!, false)
    world.lose(stream)
    world.machine.lost(stream.record, "broken again", world.now)
    world.machine.leave(stream.record, world.now)
    assert.strictEqual(stream.record.state, "Over")
    assert.deepStrictEqual(world.requests.map(({ outcome }) => outcome), ["failed", "none"])
    world.judge()
  })

  it("that leaves has a place beside the others, as many again", () => {
    const { stream, world } = begun({ maxStreams: 1, maxInFlight: 1 })
    world.leave(stream)
    world.request(4)
    world.open(world.sessions[0]!, false)
    world.flush()
    world.leave(world.streams[1]!)
    world.request(4)
    assert.strictEqual(world.openings, 0)
    world.answer(stream, stream.owed[0]!)
    assert.strictEqual(world.openings, 1)
  })
})

describe("a request that is given up", () => {
  it("is given up once", () => {
    const { stream, world } = begun()
    const [sent] = world.requests
    const batched = world.request(4)
    world.written(stream)
    for (let times = 0; times < 2; times++) {
      world.machine.abandon(sent!, world.now)
      world.machine.abandon(batched, world.now)
    }
    assert.strictEqual(world.machine.counters.abandoned, 2)
    assert.deepInclude(stream.record, { live: 0, forgotten: 1, batchSize: 0 })
  })
})

describe("a request machine's alarm", () => {
  it("is for times to come: once a write has taken too long, requests only wait for their own time", () => {
    const { world } = begun({ maxStreams: 1 })
    world.request(4)
    world.advance(writeTime)
    assert.strictEqual(world.armed, 1_000)
  })
})

describe("the end", () => {
  it("drain refuses exclusive requests, too, and reopens nothing that is closed", () => {
    const { world } = begun({ shutdownGrace: 0 })
    world.drain()
    assert.isFalse(world.machine.beginExclusive())
    world.close()
    world.drain()
    assert.strictEqual(world.machine.state, "Closed")
  })

  it("close ends a request on a stream of its own after the grace", () => {
    const { stream, world } = begun()
    world.answer(stream, stream.owed[0]!)
    world.beginExclusive()
    world.close()
    world.advance(29)
    assert.isFalse(world.isExclusiveEnded)
    world.advance(1)
    assert.isTrue(world.isExclusiveEnded)
    assert.strictEqual(world.armed, Infinity)
  })

  it("a drained machine takes no requests, and is closed only by close", () => {
    const { stream, world } = begun()
    world.written(stream)
    world.drain()
    world.answer(stream, stream.owed[0]!)
    assert.isTrue(world.isDrained)
    assert.isFalse(world.isClosed)
    assert.strictEqual(world.machine.state, "Draining")
    assert.strictEqual(world.request(4).outcome, "refused")
    world.close()
    assert.isTrue(world.isClosed)
  })

  it("without a grace, closing ends requests in the same step", () => {
    const { world } = begun({ shutdownGrace: 0 })
    world.close()
    assert.deepStrictEqual(world.requests.map(({ outcome }) => outcome), ["failed"])
    assert.isTrue(world.isClosed)
  })
})

describe("a request that comes back from a broken stream", () => {
  /** Two streams with a request each, which has not left; the second one has waited from the start. */
  const twoBatches = () => {
    const { stream, world } = begun({ maxInFlight: 1 })
    world.written(stream)
    world.answer(stream, stream.owed[0]!)
    const first = world.request(4)
    const second = world.request(4)
    world.open(world.sessions[0]!, false)
    world.advance(10)
    return { world, first, second, streams: [stream, world.streams[1]!] as const }
  }

  it("keeps its time, and what came before it has no more time", () => {
    const { first, second, streams, world } = twoBatches()
    world.lose(streams[0])
    assert.deepInclude(first, { state: "Waiting", since: 10, deadline: 1_010 })
    world.lose(streams[1])
    assert.deepInclude(second, { state: "Waiting", since: 0, deadline: 1_000 })
    assert.deepInclude(first, { since: 0, deadline: 1_000 })
    assert.strictEqual(world.machine.waiting.first, first)
    world.judge()
  })

  it("waits behind those that came before it, which keep their time", () => {
    const world = new World({ writeRoom: 1, options: { ...options, maxInFlight: 1 } })
    world.request(4)
    world.request(4)
    world.open(world.sessions[0]!, false)
    world.open(world.sessions[0]!, false)
    world.flush()
    for (const stream of world.streams) {
      world.written(stream)
      world.answer(stream, stream.owed[0]!)
    }
    const first = world.request(4)
    const second = world.request(4)
    const [one, two] = world.streams
    world.lose(one!)
    world.advance(10)
    world.lose(two!)
    assert.deepInclude(first, { state: "Waiting", deadline: 1_000 })
    assert.deepInclude(second, { state: "Waiting", deadline: 1_010 })
    world.judge()
  })
})

describe("openings that fail", () => {
  it("are tried again after pauses that double, up to a second, until one succeeds", () => {
    const { world } = begun({ maxInFlight: 1, maxStreams: 3, acquireTimeout: 100_000 })
    world.request(4)
    for (const pause of [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000]) {
      assert.strictEqual(world.openings, 1)
      world.openFailed()
      assert.strictEqual(world.openings, 0)
      world.advance(pause - 1)
      assert.strictEqual(world.openings, 0)
      world.advance(1)
    }
    world.open(world.sessions[0]!, false)
    world.request(4)
    // at once
    assert.strictEqual(world.openings, 1)
    world.openFailed()
    world.advance(10)
    assert.strictEqual(world.openings, 1)
  })

  it("no longer delay the next one when another has succeeded", () => {
    const { world } = begun({ maxInFlight: 1, maxStreams: 4 })
    world.request(4)
    world.request(4)
    assert.strictEqual(world.openings, 2)
    world.openFailed()
    world.open(world.sessions[0]!, false)
    assert.strictEqual(world.openings, 1)
  })
})

describe("a second answer", () => {
  it("is dropped, and counted as late", () => {
    const { stream, world } = begun()
    world.written(stream)
    world.answer(stream, stream.owed[0]!)
    world.answerAgain(stream)
    assert.strictEqual(stream.record.byId.size, 0)
  })
})

describe("a write", () => {
  it("that leaves room is followed by requests that come back from a broken stream", () => {
    const world = new World({ writeRoom: 2, options: { ...options, maxInFlight: 2 } })
    for (let i = 0; i < 3; i++) world.request(4)
    world.open(world.sessions[0]!, false)
    world.open(world.sessions[0]!, false)
    const [first, second] = world.streams
    assert.deepStrictEqual(states(world), ["Batched", "Batched", "Batched"])
    // the first request leaves, so that there is a place; the second stream breaks
    world.abandon(world.requests[0]!)
    second!.refusal = "broken"
    world.flush()
    assert.isTrue(second!.isBack)
    assert.deepStrictEqual(states(world), ["Ended", "Sent", "Batched"])
    assert.lengthOf(first!.writes, 1)
  })
})

describe("the counters", () => {
  it("tell what was sent, and what became of it", () => {
    const { stream, world } = begun({ maxInFlight: 2, maxStreams: 1, maxWaiters: 1 })
    world.written(stream)
    world.request(4)
    world.flush()
    world.written(stream)
    assert.deepInclude(world.machine.counters, { sent: 2, batches: 2, largestBatch: 1, peak: 2, late: 0, abandoned: 0 })
    const waiting = world.request(4)
    world.request(4)
    const [first, second] = stream.owed
    world.abandon(first!)
    assert.strictEqual(waiting.state, "Batched")
    world.flush()
    assert.strictEqual(world.machine.streams.forgotten, 1)
    assert.strictEqual(world.machine.streams.busy, 1)
    assert.strictEqual(world.machine.streams.inFlight, 2)
    world.answer(stream, first!)
    world.answer(stream, second!)
    assert.strictEqual(world.machine.streams.busy, 1)
    world.lose(stream)
    assert.deepInclude({ ...world.machine.counters }, {
      begun: 4,
      answered: 1,
      sent: 3,
      batches: 3,
      largestBatch: 1,
      late: 1,
      timeouts: 0,
      rejections: 1,
      abandoned: 1,
      failures: 1,
      peak: 2
    })
    assert.strictEqual(world.machine.streams.busy, 0)
    assert.strictEqual(world.machine.streams.forgotten, 0)
    world.beginExclusive()
    assert.strictEqual(world.machine.counters.begun, 5)
    world.request(4)
    world.request(4)
    world.request(4)
    assert.strictEqual(world.machine.counters.rejections, 3)
    world.advance(1_000)
    assert.strictEqual(world.machine.counters.timeouts, 1)
  })

  it("tell the largest batch", () => {
    const world = new World({ writeRoom: 1, options })
    assert.deepInclude(world.machine.counters, { sent: 0, batches: 0, largestBatch: 0, peak: 0 })
    for (let i = 0; i < 3; i++) world.request(4)
    world.open(world.sessions[0]!, false)
    world.flush()
    assert.deepInclude(world.machine.counters, { sent: 3, batches: 1, largestBatch: 3, peak: 3 })
    const [stream] = world.streams
    world.written(stream!)
    for (const request of [...stream!.owed]) world.answer(stream!, request)
    world.request(4)
    world.flush()
    assert.deepInclude(world.machine.counters, { sent: 4, batches: 2, largestBatch: 3, peak: 3 })
    assert.strictEqual(world.machine.streams.forgotten, 0)
    world.answer(stream!, stream!.owed[0]!)
    assert.deepInclude(world.machine.streams, { size: 1, busy: 0, inFlight: 0 })
  })
})

describe("the answers of a request with many", () => {
  const many = () => {
    const world = new World({ writeRoom: 1, options })
    const request = world.request(4, "Many")
    world.open(world.sessions[0]!, false)
    world.flush()
    const [stream] = world.streams
    world.written(stream!)
    return { world, request, stream: stream! }
  }

  it("wait up to maxBuffered, as far as the consumer has not taken them", () => {
    const { request, stream, world } = many()
    world.answer(stream, request, false)
    world.answer(stream, request, false)
    assert.deepInclude(request, { state: "Sent", buffered: 2 })
    request.consumed(2)
    assert.strictEqual(request.buffered, 0)
    world.answer(stream, request, false, 2)
    assert.strictEqual(request.state, "Sent")
    world.answer(stream, request, false)
    assert.deepInclude(request, { state: "Forgotten", outcome: "failed" })
    assert.strictEqual(world.machine.counters.failures, 1)
    world.answer(stream, request, true)
    assert.strictEqual(request.state, "Ended")
    assert.strictEqual(world.machine.counters.late, 1)
  })

  it("count as one byte at least, or empty ones would wait without limit", () => {
    const { request, stream, world } = many()
    world.answer(stream, request, false, 0)
    world.answer(stream, request, false, 0)
    assert.deepInclude(request, { state: "Sent", buffered: 2 })
    request.consumed(0)
    assert.strictEqual(request.buffered, 1)
    world.answer(stream, request, false, 0)
    assert.strictEqual(request.state, "Sent")
    world.answer(stream, request, false, 0)
    assert.deepInclude(request, { state: "Forgotten", outcome: "failed" })
  })

  it("that are forgotten are not buffered", () => {
    const { request, stream, world } = many()
    world.abandon(request)
    world.answer(stream, request, false, 5)
    assert.deepInclude(request, { state: "Forgotten", buffered: 0 })
    assert.strictEqual(world.machine.counters.failures, 0)
  })
})

describe("a stream without requests", () => {
  const unused = () => {
    const { stream, world } = begun()
    world.written(stream)
    world.answer(stream, stream.owed[0]!)
    return { world, stream }
  }

  it("goes back after a second, also if demand was looked at meanwhile", () => {
    const { stream, world } = unused()
    world.advance(999)
    world.demandChanged()
    assert.isFalse(stream.isBack)
    world.advance(1)
    assert.isTrue(stream.isBack)
  })

  it("that still owes an answer goes back after a second, too, and is discarded", () => {
    const { stream, world } = begun()
    world.abandon(world.requests[0]!)
    world.advance(idleTime)
    assert.isTrue(stream.isBack)
    world.judge()
  })

  it("goes back at once when others want it", () => {
    const { stream, world } = unused()
    world.isWanted = true
    world.demandChanged()
    assert.isTrue(stream.isBack)
  })

  it("stays while a request waits for its write", () => {
    const { stream, world } = begun({ maxStreams: 1 })
    world.abandon(stream.owed[0]!)
    assert.isFalse(stream.isBack)
    world.request(4)
    world.isWanted = true
    world.demandChanged()
    assert.isFalse(stream.isBack)
    world.written(stream)
    assert.deepStrictEqual(states(world), ["Forgotten", "Batched"])
  })

  it("goes back after a second, also while requests wait for its write, and makes place for another", () => {
    const { stream, world } = begun({ maxStreams: 1, acquireTimeout: 10_000 })
    world.request(4)
    world.abandon(world.requests[0]!)
    world.advance(idleTime - 1)
    world.demandChanged()
    assert.isFalse(stream.isBack)
    assert.strictEqual(world.openings, 0)
    world.advance(1)
    assert.isTrue(stream.isBack)
    assert.strictEqual(world.openings, 1)
  })
})

describe("a session that is silent", () => {
  const silent = { silenceTimeout: 50 }

  it("is pinged only while it owes answers", () => {
    const { stream, world } = begun(silent)
    world.written(stream)
    world.request(4)
    world.flush()
    world.advance(30)
    world.answer(stream, stream.owed[0]!)
    world.advance(20)
    assert.lengthOf(world.pings, 0)
    // an interval after the last byte
    world.advance(29)
    assert.lengthOf(world.pings, 0)
    world.advance(1)
    assert.lengthOf(world.pings, 1)
    world.pinged(true)
    world.answer(stream, stream.owed[0]!)
    world.advance(200)
    assert.lengthOf(world.pings, 0)
  })

  it("that owes nothing by the time its ping fails keeps its streams", () => {
    const { stream, world } = begun(silent)
    world.written(stream)
    world.advance(50)
    assert.lengthOf(world.pings, 1)
    world.answer(stream, stream.owed[0]!)
    world.machine.pinged(world.sessions[0]!, false, world.now)
    assert.isFalse(stream.isBack)
  })

  it("is not pinged again while a ping is out", () => {
    const { stream, world } = begun(silent)
    world.written(stream)
    world.advance(50)
    assert.lengthOf(world.pings, 1)
    assert.isAbove(world.armed, 50)
    // it owes nothing for a moment, and then an answer again
    world.answer(stream, stream.owed[0]!)
    world.request(4)
    world.flush()
    world.advance(50)
    world.advance(50)
    assert.lengthOf(world.pings, 1)
  })

  it("that owes answers anew while a ping is out has its whole time, also if that ping fails", () => {
    const { stream, world } = begun(silent)
    world.written(stream)
    world.advance(50)
    world.answer(stream, stream.owed[0]!)
    world.advance(30)
    world.request(4)
    world.flush()
    world.pinged(false)
    world.advance(49)
    assert.lengthOf(world.pings, 0)
    world.advance(1)
    assert.lengthOf(world.pings, 1)
  })

  it.each([0, 1])("stays so when stream %i of two is found broken as the other one writes", (i) => {
    const world = new World({ writeRoom: 2, options: { ...options, ...silent, maxInFlight: 2 } })
    for (let n = 0; n < 3; n++) world.request(4)
    world.open(world.sessions[0]!, false)
    world.open(world.sessions[0]!, false)
    world.flush()
    const [broken, other] = [world.streams[i]!, world.streams[1 - i]!]
    while (other.owed.length > 0) world.answer(other, other.owed[0]!)
    while (broken.owed.length > 1) world.answer(broken, broken.owed[0]!)
    world.advance(30)
    for (let n = 0; n < 3; n++) world.request(4)
    broken.refusal = "broken"
    world.flush()
    assert.isTrue(broken.isBack)
    assert.isAbove(other.owed.length, 0)
    world.advance(19)
    assert.lengthOf(world.pings, 0)
    world.advance(1)
    assert.lengthOf(world.pings, 1)
  })
})

const call = (id: number, message: Uint8Array) =>
  Object.assign(new SharedRequest(message.byteLength, "One"), { id, message })

describe("a batch", () => {
  it("is no larger than its requests say", () => {
    const id = maxIds - 1
    for (const size of [0, 63, 64, 70_000]) {
      const { length } = encodeBatch([call(id, new Uint8Array(size))], true)
      assert.isAtMost(length, size + frameOverhead)
    }
    assert.lengthOf(encodeBatch([call(id, new Uint8Array(0))], true), 1 + maxIdSize)
    // an id of 4 bytes, and a length of 8
    assert.strictEqual(frameOverhead, 12)
  })

  it("is the frames of its requests, and nothing else", () => {
    const calls = [call(5, Uint8Array.of(7, 7)), call(300, Uint8Array.of(7))]
    assert.deepStrictEqual([...encodeBatch(calls, true)], [3, 5, 7, 7, 3, 0x41, 0x2c, 7])
    assert.deepStrictEqual([...encodeBatch(calls, false)], [2, 7, 7, 1, 7])
  })
})

describe("an answer reader", () => {
  const read = (reader: AnswerReader, chunk: Uint8Array) => {
    const found: Array<readonly [number | undefined, ReadonlyArray<number>]> = []
    reader.push(chunk)
    for (let next = reader.next(); next !== "Missing"; next = reader.next()) {
      if (next !== "Answer") return next._tag
      const { size } = reader
      const answer = reader.take()
      assert.strictEqual(answer.length, size)
      assert.strictEqual(answer.buffer.byteLength, answer.byteOffset + size)
      found.push([reader.id, [...answer]])
    }
    assert.strictEqual(reader.next(), "Missing")
    return found
  }

  it("has no answer before the first chunk", () => {
    assert.strictEqual(new AnswerReader(true, 100).next(), "Missing")
  })

  it("takes answers of any size up to the limit", () => {
    for (const size of [0, 1, 31, 32, 33, 62, 63, 200]) {
      const message = Uint8Array.from({ length: size }, (_, i) => i + 1)
      const frame = encodeBatch([call(0, message)], true)
      for (const cut of [0, 1, 2, frame.length - 1, frame.length]) {
        const reader = new AnswerReader(true, size + 1)
        const found = [read(reader, frame.subarray(0, cut)), read(reader, frame.subarray(cut))].flat()
        assert.deepStrictEqual(found as unknown, [[0, [...message]]], `${size}, ${cut}`)
        assert.strictEqual(read(new AnswerReader(true, size), frame), "Oversized")
      }
    }
  })

  it("finds all answers of a chunk, and those that are cut anywhere", () => {
    const frames = Uint8Array.of(3, 5, 1, 2, 1, 0, 0x40, 3, 0x41, 0x2c, 9)
    const all = [[5, [1, 2]], [0, []], [300, [9]]]
    assert.deepStrictEqual(read(new AnswerReader(true, 100), frames) as unknown, all)
    for (let cut = 0; cut <= frames.length; cut++) {
      const reader = new AnswerReader(true, 100)
      const first = read(reader, frames.subarray(0, cut))
      assert.deepStrictEqual([...first, ...read(reader, frames.subarray(cut))] as unknown, all, String(cut))
      assert.isUndefined(reader.truncated())
    }
  })

  it("knows messages without ids, and refuses those that should have one", () => {
    assert.deepStrictEqual(read(new AnswerReader(false, 100), Uint8Array.of(2, 7, 8, 0)) as unknown, [
      [undefined, [7, 8]],
      [undefined, []]
    ])
    assert.deepStrictEqual(read(new AnswerReader(false, 100), Uint8Array.of(0, 0, 0, 1, 7)) as unknown, [
      [undefined, []],
      [undefined, []],
      [undefined, []],
      [undefined, [7]]
    ])
    for (const frame of [[0], [1, 0x40], [1, 0xc0], [8, 0xff, 255, 255, 255, 255, 255, 255, 255]]) {
      assert.strictEqual(read(new AnswerReader(true, 100), Uint8Array.from(frame)), "Malformed", String(frame))
    }
    assert.strictEqual(read(new AnswerReader(true, 1), Uint8Array.of(2, 0, 0)), "Oversized")
    const reader = new AnswerReader(true, 100)
    read(reader, Uint8Array.of(2, 0))
    assert.deepInclude(reader.truncated(), { _tag: "Truncated", size: 2, received: 1 })
  })
})
