/** Single rules of the request machine. */
import { assert, describe, it } from "vitest"
import { AnswerReader } from "../../../src/internal/core/requests/answerReader.js"
import { writeTime } from "../../../src/internal/core/requests/requestCommands.js"
import { maxIds } from "../../../src/internal/core/requests/sharedStream.js"
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
    assert.strictEqual(world.armed, writeTime)
    world.advance(writeTime)
    assert.strictEqual(world.openings, 1)
    world.written(stream)
    assert.deepStrictEqual(states(world), ["Sent", "Batched"])
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

describe("an answer reader", () => {
  const read = (reader: AnswerReader, chunk: Uint8Array) => {
    const found: Array<readonly [number | undefined, ReadonlyArray<number>]> = []
    reader.push(chunk)
    for (let next = reader.next(); next !== "Missing"; next = reader.next()) {
      if (next !== "Answer") return next._tag
      found.push([reader.id, [...reader.take()]])
    }
    return found
  }

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
    for (const frame of [[0], [1, 0x40], [1, 0xc0], [8, 0xff, 255, 255, 255, 255, 255, 255, 255]]) {
      assert.strictEqual(read(new AnswerReader(true, 100), Uint8Array.from(frame)), "Malformed", String(frame))
    }
    assert.strictEqual(read(new AnswerReader(true, 1), Uint8Array.of(2, 0, 0)), "Oversized")
    const reader = new AnswerReader(true, 100)
    read(reader, Uint8Array.of(2, 0))
    assert.deepInclude(reader.truncated(), { _tag: "Truncated", size: 2, received: 1 })
  })
})
