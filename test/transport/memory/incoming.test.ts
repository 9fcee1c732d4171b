/** Datagrams that arrive faster than the fiber that receives them runs. */
import * as Effect from "#test/Effect"
import * as Fiber from "#test/Fiber"
import { IncomingQueue } from "../../../src/internal/transport/incoming.js"
import { settle } from "../../support/pool.js"
import { assert, describe, it } from "../../support/vitest.js"

/** A platform that keeps one unread datagram, as Chromium 156 keeps few: a newer one replaces it. */
const makePlatform = () => {
  let unread: number | undefined
  let read: ((datagram: number) => void) | undefined
  const readable = new ReadableStream<number>({
    pull: (controller) =>
      new Promise<void>((resolve) => {
        read = (datagram) => {
          read = undefined
          controller.enqueue(datagram)
          resolve()
        }
        if (unread === undefined) return
        read(unread)
        unread = undefined
      })
  }, { highWaterMark: 0 })
  const arrive = (datagram: number): void => {
    if (read === undefined) unread = datagram
    else read(datagram)
  }
  return { readable, arrive }
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

describe("a burst of datagrams", () => {
  /** With time to read between them. */
  const arriveInTurn = (arrive: (datagram: number) => void, datagrams: ReadonlyArray<number>) =>
    Effect.promise(async () => {
      for (const datagram of datagrams) {
        arrive(datagram)
        await new Promise((resolve) => setImmediate(resolve))
      }
    })

  /** A fiber waits. The datagrams arrive before it takes one. */
  const burst = (size: number) =>
    Effect.gen(function*() {
      const { arrive, readable } = makePlatform()
      const queue = new IncomingQueue(readable, 64)
      const waiting = yield* Effect.fork(queue.arrival)
      yield* settle
      yield* arriveInTurn(arrive, range(0, size))
      yield* Fiber.join(waiting)
      return { arrive, queue }
    })

  const takeAll = (queue: IncomingQueue<number>) => {
    const taken: Array<number> = []
    for (let item = queue.take(); item !== undefined; item = queue.take()) taken.push(item)
    return taken
  }

  it.effect("waits for the fiber that was woken", () =>
    Effect.gen(function*() {
      const { queue } = yield* burst(20)
      assert.deepStrictEqual(takeAll(queue), range(0, 20))
    }))

  it.effect("waits up to a limit, then the platform drops", () =>
    Effect.gen(function*() {
      const { queue } = yield* burst(100)
      assert.deepStrictEqual(takeAll(queue), range(0, 64))
      yield* queue.arrival
      assert.deepStrictEqual(takeAll(queue), [99])
    }))

  it.effect("goes on while the fiber takes one after the other", () =>
    Effect.gen(function*() {
      const { arrive, queue } = yield* burst(10)
      assert.strictEqual(queue.take(), 0)
      yield* arriveInTurn(arrive, range(10, 20))
      assert.deepStrictEqual(takeAll(queue), range(1, 20))
    }))

  it.effect("waits for no fiber that has taken all and went away", () =>
    Effect.gen(function*() {
      const { arrive, queue } = yield* burst(1)
      assert.deepStrictEqual(takeAll(queue), [0])
      yield* arriveInTurn(arrive, range(1, 10))
      // the read that was under way got the first of them
      assert.deepStrictEqual(takeAll(queue), [1])
      yield* queue.arrival
      assert.deepStrictEqual(takeAll(queue), [9])
    }))
})
