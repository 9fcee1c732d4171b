/** The server's end of a shared stream: single rules, and generated steps beside a naive model. */
import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { encode, type FrameProblem, splitId } from "../../../src/internal/core/bytes/frameCodec.js"
import { MessageQueue } from "../../../src/internal/core/bytes/messageQueue.js"
import {
  type Flooded,
  maxBatch,
  type ServeCommand,
  type ServedRequest,
  ServeMachine,
  type ServeMachineOptions
} from "../../../src/internal/core/serving/serveMachine.js"
import { concat } from "../../support/bytes.js"

const frame = (message: Uint8Array, id?: number): Uint8Array => {
  const encoded = encode(message, 1_000_000, id)
  assert(encoded._tag === "Frame")
  return encoded.bytes
}

const bytes = (size: number, fill = 7): Uint8Array => new Uint8Array(size).fill(fill)

/** A machine, and a shell that does at once what it says. */
const serving = (options: Partial<ServeMachineOptions> = {}) => {
  const begun: Array<{ readonly request: ServedRequest; readonly message: Uint8Array }> = []
  const written: Array<Uint8Array> = []
  const resumed: Array<ServedRequest> = []
  const log: Array<ServeCommand["_tag"]> = []
  let problem: FrameProblem | Flooded | undefined
  const machine = new ServeMachine(
    { concurrency: 2, correlate: true, maxBuffered: 10, maxMessageSize: 100_000, holdsBack: true, ...options },
    (command) => {
      log.push(command._tag)
      if (command._tag === "Begin") begun.push(command)
      if (command._tag === "Resume") resumed.push(command.request)
      if (command._tag === "Break") problem = command.problem
    }
  )
  return {
    machine,
    begun,
    resumed,
    log,
    written,
    /** The end of a turn: the batch goes to the transport. */
    turn: () => {
      written.push(machine.takeBatch())
      assert.lengthOf(written, log.filter((tag) => tag === "Write").length)
    },
    /** The messages of all batches, with their ids. */
    get answers() {
      return messagesOf(concat(written), options.correlate !== false)
    },
    get problem() {
      return problem
    },
    get isFinished() {
      return log.includes("Finish")
    },
    answer: (index: number, message: Uint8Array) => machine.answer(begun[index]!.request, message),
    end: (index: number, how: "Answered" | "Failed" = "Answered") => machine.ended(begun[index]!.request, how)
  }
}

const messagesOf = (all: Uint8Array, hasIds: boolean) => {
  const queue = new MessageQueue(1_000_000)
  queue.push(all)
  const messages: Array<{ readonly id: number | undefined; readonly message: ReadonlyArray<number> }> = []
  for (let next = queue.next(); next._tag === "Message"; next = queue.next()) {
    const split = hasIds ? splitId(next.message) : undefined
    assert(split?._tag !== "Malformed")
    messages.push({ id: split?.id, message: [...split?.message ?? next.message] })
  }
  assert.strictEqual(queue.size, 0)
  return messages
}

describe("a request", () => {
  it("begins when all its bytes have come", () => {
    const server = serving()
    const request = frame(bytes(3), 300)
    server.machine.received(request.subarray(0, 4))
    assert.lengthOf(server.begun, 0)
    server.machine.received(request.subarray(4))
    assert.deepStrictEqual(server.begun[0]!.request.id, 300)
    assert.deepStrictEqual(server.begun[0]!.message, bytes(3))
  })

  it("waits while `concurrency` others run, and begins when one of them has ended", () => {
    const server = serving()
    server.machine.received(concat([1, 2, 3, 4].map((id) => frame(bytes(1, id), id))))
    assert.deepStrictEqual(server.begun.map(({ request }) => request.id), [1, 2])
    server.end(1)
    assert.deepStrictEqual(server.begun.map(({ request }) => request.id), [1, 2, 3])
  })

  it("without an id ends the stream, if there should be one", () => {
    const server = serving()
    server.machine.received(Uint8Array.of(0))
    assert.deepInclude(server.problem, { _tag: "Malformed", size: 0 })
    server.machine.received(frame(bytes(1), 1))
    assert.lengthOf(server.begun, 0)
  })

  it("that is too large ends the stream before its bytes have come", () => {
    const server = serving({ maxMessageSize: 10 })
    server.machine.received(concat([frame(bytes(9), 1), frame(bytes(10), 1).subarray(0, 1)]))
    assert.lengthOf(server.begun, 1)
    assert.deepStrictEqual(server.problem, { _tag: "Oversized", operation: "read", size: 11, limit: 10 })
  })

  it("that is cut off by the end of the stream ends it, when those before it have begun", () => {
    const server = serving({ concurrency: 1 })
    server.machine.received(concat([frame(bytes(1), 1), frame(bytes(1), 2), frame(bytes(5), 3).subarray(0, 4)]))
    server.machine.finished()
    assert.isUndefined(server.problem)
    server.end(0)
    server.end(1)
    assert.deepStrictEqual(server.problem, { _tag: "Truncated", size: 6, received: 3 })
  })
})

describe("reading", () => {
  it("stops at `concurrency` requests and `maxBuffered` bytes, and goes on when there is room", () => {
    const server = serving({ maxBuffered: 6 })
    server.machine.received(concat([frame(bytes(1), 1), frame(bytes(1), 2), frame(bytes(1), 3)]))
    assert.isTrue(server.machine.isReading)
    server.machine.received(concat([frame(bytes(1), 4)]))
    assert.strictEqual(server.machine.buffered, 6)
    assert.isFalse(server.machine.isReading)
    assert.notInclude(server.log, "Read")
    server.end(0)
    assert.isTrue(server.machine.isReading)
    assert.include(server.log, "Read")
  })

  it("goes on beyond `maxBuffered` while a request may begin: it may be a large one", () => {
    const server = serving()
    server.machine.received(frame(bytes(1000), 1).subarray(0, 500))
    assert.isTrue(server.machine.isReading)
    assert.strictEqual(server.machine.buffered, 500)
  })

  it("never stops if it would hold nobody back: more than `maxBuffered` ends the stream", () => {
    const server = serving({ holdsBack: false, maxBuffered: 6 })
    server.machine.received(concat([1, 2, 3, 4].map((id) => frame(bytes(1), id))))
    assert.isTrue(server.machine.isReading)
    assert.isUndefined(server.problem)
    server.machine.received(Uint8Array.of(2))
    assert.deepStrictEqual(server.problem, { _tag: "Flooded", size: 7, limit: 6 })
    server.end(0)
    assert.lengthOf(server.begun, 2)
    assert.isFalse(server.isFinished)
  })
})

describe("answers", () => {
  it("of one turn leave together", () => {
    const server = serving()
    server.machine.received(concat([frame(bytes(1), 1), frame(bytes(1), 2)]))
    assert.strictEqual(server.answer(1, bytes(2, 2))._tag, "Taken")
    assert.strictEqual(server.answer(0, bytes(1, 1))._tag, "Taken")
    assert.deepStrictEqual(server.log.filter((tag) => tag === "Write"), ["Write"])
    server.turn()
    assert.deepStrictEqual(server.written, [concat([frame(bytes(2, 2), 2), frame(bytes(1, 1), 1)])])
  })

  it("gather while the transport has not accepted those before, and leave when it has", () => {
    const server = serving()
    server.machine.received(concat([frame(bytes(1), 1), frame(bytes(1), 2)]))
    server.answer(0, bytes(1, 1))
    server.turn()
    server.answer(1, bytes(1, 2))
    server.answer(1, bytes(1, 3))
    assert.deepStrictEqual(server.log.filter((tag) => tag === "Write"), ["Write"])
    server.machine.written()
    assert.deepStrictEqual(server.log.filter((tag) => tag === "Write"), ["Write", "Write"])
    server.turn()
    assert.deepStrictEqual(server.answers.map(({ id, message }) => [id, ...message]), [[1, 1], [2, 2], [2, 3]])
  })

  it("wait while there is no room, in the order in which they came", () => {
    const server = serving({ concurrency: 3 })
    server.machine.received(concat([1, 2, 3].map((id) => frame(bytes(1), id))))
    assert.strictEqual(server.answer(0, bytes(maxBatch, 1))._tag, "Taken")
    assert.strictEqual(server.answer(2, bytes(maxBatch, 3))._tag, "Waits")
    assert.strictEqual(server.answer(1, bytes(1, 2))._tag, "Waits")
    server.turn()
    assert.lengthOf(server.resumed, 0)
    server.machine.written()
    assert.deepStrictEqual(server.resumed.map(({ id }) => id), [3])
    server.turn()
    server.machine.written()
    assert.deepStrictEqual(server.resumed.map(({ id }) => id), [3, 2])
    server.turn()
    assert.deepStrictEqual(server.answers.map(({ id }) => id), [1, 3, 2])
  })

  it("wait at 65,536 bytes that the transport has not accepted, given to it or not", () => {
    const server = serving({ concurrency: 2 })
    server.machine.received(concat([1, 2].map((id) => frame(bytes(1), id))))
    /** An answer that fills the room, but for some bytes: five bytes are length and id. */
    const fill = (rest: number) => server.answer(0, bytes(65_536 - 5 - rest))._tag
    const empty = () => server.answer(1, bytes(0))._tag
    assert.deepStrictEqual([fill(1), empty(), empty()], ["Taken", "Taken", "Waits"])
    server.turn()
    server.machine.written()
    server.turn()
    server.machine.written()
    assert.deepStrictEqual([fill(1), empty()], ["Taken", "Taken"])
    server.turn()
    assert.strictEqual(empty(), "Waits")
    server.machine.written()
    server.turn()
    server.machine.written()
    assert.deepStrictEqual([fill(0), empty()], ["Taken", "Waits"])
  })

  it("that wait are dropped when their handler ends", () => {
    const server = serving()
    server.machine.received(concat([1, 2].map((id) => frame(bytes(1), id))))
    server.answer(0, bytes(maxBatch, 1))
    server.answer(1, bytes(1, 2))
    server.end(1, "Failed")
    server.turn()
    server.machine.written()
    assert.lengthOf(server.resumed, 0)
    assert.deepStrictEqual(server.answers.map(({ id }) => id), [1])
  })

  it("above `maxMessageSize` are refused, with the id counted", () => {
    const server = serving({ maxMessageSize: 10 })
    server.machine.received(frame(bytes(1), 1))
    assert.deepStrictEqual(server.answer(0, bytes(10)), { _tag: "Oversized", operation: "write", size: 11, limit: 10 })
    assert.strictEqual(server.answer(0, bytes(9))._tag, "Taken")
  })

  it("may be many for one request", () => {
    const server = serving()
    server.machine.received(frame(bytes(1), 1))
    for (const fill of [1, 2, 3]) server.answer(0, bytes(1, fill))
    server.end(0)
    server.turn()
    assert.deepStrictEqual(server.answers.map(({ message }) => message), [[1], [2], [3]])
  })

  it("are missing only for the request whose handler failed", () => {
    const server = serving()
    server.machine.received(concat([1, 2, 3].map((id) => frame(bytes(1), id))))
    server.end(0, "Failed")
    assert.lengthOf(server.begun, 3)
    for (const index of [1, 2]) {
      server.answer(index, bytes(1, index))
      server.end(index)
    }
    server.machine.finished()
    assert.isFalse(server.isFinished)
    server.turn()
    server.machine.written()
    assert.isTrue(server.isFinished)
    assert.deepStrictEqual(server.answers.map(({ id }) => id), [2, 3])
  })
})

describe("without ids", () => {
  const inTurn = (options: Partial<ServeMachineOptions> = {}) => serving({ correlate: false, ...options })

  it("answers leave in the order of their requests", () => {
    const server = inTurn()
    server.machine.received(concat([frame(bytes(1)), frame(bytes(1))]))
    assert.strictEqual(server.answer(1, bytes(1, 2))._tag, "Waits")
    assert.strictEqual(server.answer(0, bytes(1, 1))._tag, "Taken")
    assert.lengthOf(server.resumed, 0)
    server.end(0)
    assert.deepStrictEqual(server.resumed, [server.begun[1]!.request])
    server.turn()
    assert.deepStrictEqual(server.answers.map(({ message }) => message), [[1], [2]])
  })

  it("a request that is not answered ends the stream, after the answers before it", () => {
    const server = inTurn({ concurrency: 4 })
    server.machine.received(concat([1, 2, 3, 4].map((fill) => frame(bytes(1, fill)))))
    server.answer(2, bytes(1, 3))
    server.end(1, "Failed")
    server.machine.received(frame(bytes(1)))
    assert.lengthOf(server.begun, 4)
    assert.isFalse(server.isFinished)
    server.answer(0, bytes(1, 1))
    server.end(0)
    assert.isFalse(server.isFinished)
    server.turn()
    server.machine.written()
    assert.isTrue(server.isFinished)
    server.end(2)
    assert.deepStrictEqual(server.log.filter((tag) => tag === "Finish"), ["Finish"])
    assert.deepStrictEqual(server.answers.map(({ message }) => message), [[1]])
  })

  it("a request keeps its turn while it waits for room, until it has ended", () => {
    const server = inTurn()
    server.machine.received(concat([frame(bytes(1)), frame(bytes(1))]))
    const [first, second] = server.begun
    server.answer(0, bytes(maxBatch, 1))
    server.answer(0, bytes(1, 1))
    server.answer(1, bytes(1, 2))
    server.turn()
    server.machine.written()
    assert.deepStrictEqual(server.resumed, [first!.request])
    server.end(0)
    assert.deepStrictEqual(server.resumed, [first!.request, second!.request])
  })

  it("an empty answer is a byte, which leaves like any other", () => {
    const server = inTurn()
    server.machine.received(frame(bytes(1)))
    server.answer(0, bytes(1))
    server.turn()
    server.answer(0, bytes(0))
    server.machine.written()
    server.turn()
    assert.deepStrictEqual(server.written.map((batch) => [...batch]), [[1, 7], [0]])
  })

  it("an answer that waits is dropped when its handler fails", () => {
    const server = inTurn()
    server.machine.received(concat([frame(bytes(1)), frame(bytes(1))]))
    server.answer(1, bytes(1, 2))
    server.end(1, "Failed")
    server.answer(0, bytes(1, 1))
    server.end(0)
    server.turn()
    server.machine.written()
    assert.isTrue(server.isFinished)
    assert.deepStrictEqual(server.answers.map(({ message }) => message), [[1]])
  })

  it("a request with no answer at all is the application's choice", () => {
    const server = inTurn()
    server.machine.received(concat([frame(bytes(1)), frame(bytes(1))]))
    server.end(0)
    server.answer(1, bytes(1, 2))
    server.turn()
    assert.deepStrictEqual(server.answers.map(({ message }) => message), [[2]])
  })
})

describe("the end", () => {
  it("comes when the client has finished and every answer is accepted", () => {
    const server = serving()
    server.machine.received(frame(bytes(1), 1))
    server.machine.finished()
    server.answer(0, bytes(1))
    server.end(0)
    assert.isFalse(server.isFinished)
    server.turn()
    assert.isFalse(server.isFinished)
    server.machine.written()
    assert.isTrue(server.isFinished)
  })

  it("comes at once if nothing was asked", () => {
    const server = serving()
    server.machine.finished()
    assert.deepStrictEqual(server.log, ["Finish"])
  })
})

describe("the last call", () => {
  it("lets requests begin of which bytes have come, and ends the stream when they are answered", () => {
    const server = serving({ concurrency: 1 })
    const third = frame(bytes(5), 3)
    server.machine.received(concat([frame(bytes(1), 1), frame(bytes(1), 2), third.subarray(0, 4)]))
    server.machine.lastCall()
    server.answer(0, bytes(1, 1))
    server.end(0)
    server.answer(1, bytes(1, 2))
    server.end(1)
    server.turn()
    server.machine.written()
    assert.isFalse(server.isFinished)
    server.machine.received(third.subarray(4, 5))
    server.machine.received(concat([third.subarray(5), frame(bytes(1), 4)]))
    server.machine.received(frame(bytes(1), 5))
    server.answer(2, bytes(1, 3))
    server.end(2)
    assert.isFalse(server.isFinished)
    server.turn()
    server.machine.written()
    assert.isTrue(server.isFinished)
    assert.deepStrictEqual(server.begun.map(({ request }) => request.id), [1, 2, 3])
    assert.deepStrictEqual(server.answers.map(({ id }) => id), [1, 2, 3])
  })

  it("ends a stream without requests at once", () => {
    const server = serving()
    server.machine.lastCall()
    assert.deepStrictEqual(server.log, ["Finish"])
  })

  it("reads on to the end of the stream, and drops what comes", () => {
    const server = serving({ maxBuffered: 0 })
    server.machine.received(concat([1, 2, 3].map((id) => frame(bytes(1), id))))
    assert.isFalse(server.machine.isReading)
    server.machine.lastCall()
    assert.include(server.log, "Read")
    const waiting = server.machine.buffered
    server.machine.received(bytes(1_000))
    assert.isTrue(server.machine.isReading)
    assert.strictEqual(server.machine.buffered, waiting)
    assert.isUndefined(server.problem)
  })

  it("takes a message that is cut off for no fault of the client", () => {
    const server = serving()
    server.machine.received(concat([frame(bytes(1), 1), frame(bytes(5), 2).subarray(0, 4)]))
    server.machine.lastCall()
    server.machine.finished()
    server.end(0)
    assert.isUndefined(server.problem)
    assert.isTrue(server.isFinished)
  })
})

// -----------------------------------------------------------------------------
// Generated steps
// -----------------------------------------------------------------------------

type Step =
  | { readonly _tag: "Receive"; readonly size: number }
  | { readonly _tag: "Answer"; readonly which: number; readonly size: number }
  | { readonly _tag: "End"; readonly which: number; readonly how: "Answered" | "Failed" }
  | { readonly _tag: "Turn" }
  | { readonly _tag: "Accept" }
  | { readonly _tag: "LastCall" }

const often: ReadonlyArray<FastCheck.Arbitrary<Step>> = [
  FastCheck.record({ _tag: FastCheck.constant("Receive" as const), size: FastCheck.integer({ min: 1, max: 60 }) }),
  FastCheck.record({
    _tag: FastCheck.constant("Answer" as const),
    which: FastCheck.nat(20),
    size: FastCheck.oneof(FastCheck.nat(30), FastCheck.constantFrom(maxBatch - 1, maxBatch))
  }),
  FastCheck.record({
    _tag: FastCheck.constant("End" as const),
    which: FastCheck.nat(20),
    how: FastCheck.oneof(
      { weight: 9, arbitrary: FastCheck.constant("Answered" as const) },
      { weight: 1, arbitrary: FastCheck.constant("Failed" as const) }
    )
  }),
  FastCheck.constant<Step>({ _tag: "Turn" }),
  FastCheck.constant<Step>({ _tag: "Accept" })
]

const step: FastCheck.Arbitrary<Step> = FastCheck.oneof(
  ...often.map((arbitrary) => ({ weight: 20, arbitrary })),
  { weight: 1, arbitrary: FastCheck.constant<Step>({ _tag: "LastCall" }) }
)

const options = FastCheck.record({
  concurrency: FastCheck.integer({ min: 1, max: 4 }),
  correlate: FastCheck.boolean(),
  maxBuffered: FastCheck.integer({ min: 0, max: 80 }),
  maxMessageSize: FastCheck.constant(100_000),
  holdsBack: FastCheck.boolean()
})

/** What happens with one request, as simply as possible. */
interface Modelled {
  readonly index: number
  readonly request: ServedRequest
  readonly given: Array<number>
  isWaiting: boolean
  state: "Running" | "Answered" | "Failed"
}

const run = (all: ServeMachineOptions, sizes: ReadonlyArray<number>, steps: ReadonlyArray<Step>) => {
  const frames = sizes.map((size, index) => frame(bytes(size, index), all.correlate ? index : undefined))
  const input = concat(frames)
  /** The end of each request in the input. */
  const ends = frames.map((_, index) => concat(frames.slice(0, index + 1)).length)
  const modelled: Array<Modelled> = []
  const out: Array<Uint8Array> = []
  let received = 0
  /** How much is taken after the last call: to the end of the request that had begun to come. */
  let last: number | undefined
  let write: "Idle" | "Due" | "Pending" = "Idle"
  let over: "Finish" | "Break" | undefined
  let hasFinished = false
  let answers = 0

  const machine = new ServeMachine(all, (command) => {
    switch (command._tag) {
      case "Begin": {
        const index = modelled.length
        assert.strictEqual(command.request.id, all.correlate ? index : undefined)
        assert.deepStrictEqual(command.message, bytes(sizes[index]!, index))
        modelled.push({ index, request: command.request, given: [], isWaiting: false, state: "Running" })
        break
      }
      case "Resume":
        modelled.find(({ request }) => request === command.request)!.isWaiting = false
        break
      case "Write":
        assert.strictEqual(write, "Idle")
        write = "Due"
        break
      case "Read":
        break
      default:
        assert.isUndefined(over)
        over = command._tag
    }
  })

  const running = () => modelled.filter(({ state }) => state === "Running")
  const hasFailed = () => !all.correlate && modelled.some(({ state }) => state === "Failed")

  const check = () => {
    assert.isAtMost(machine.running, all.concurrency)
    assert.strictEqual(machine.running, running().length)
    if (over !== undefined || hasFailed()) return
    const taken = Math.min(last ?? received, received)
    const whole = ends.filter((end) => end <= taken).length
    assert.strictEqual(modelled.length === whole || running().length === all.concurrency, true)
    const buffered = taken - (ends[modelled.length - 1] ?? 0)
    assert.strictEqual(machine.buffered, buffered)
    const isFull = running().length === all.concurrency
    if (last !== undefined) {
      assert.isTrue(machine.isReading)
    } else if (!all.holdsBack) {
      assert.isFalse(isFull && buffered > all.maxBuffered)
      assert.isTrue(machine.isReading)
    } else if (received > 0) {
      assert.strictEqual(machine.isReading, !isFull || buffered < all.maxBuffered)
    }
    const waiting = running().filter(({ isWaiting }) => isWaiting)
    const isBlocked = (one: Modelled) => all.correlate || one.index === running()[0]!.index
    if (write === "Idle") assert.isFalse(waiting.some(isBlocked))
  }

  const takeTurn = () => {
    if (write !== "Due") return
    const batch = machine.takeBatch()
    assert.isAbove(batch.byteLength, 0)
    out.push(batch)
    write = "Pending"
  }

  const accept = () => {
    if (write !== "Pending") return
    write = "Idle"
    machine.written()
  }

  const act = (step: Step) => {
    switch (step._tag) {
      case "Receive": {
        if (!machine.isReading || over !== undefined || received === input.length) return
        const chunk = input.subarray(received, received + step.size)
        received += chunk.length
        return machine.received(chunk)
      }
      case "Answer": {
        const free = running().filter(({ isWaiting }) => !isWaiting)
        if (free.length === 0) return
        const one = free[step.which % free.length]!
        const message = bytes(step.size, answers++)
        one.given.push(message[0] ?? -1)
        one.isWaiting = true
        // taken, or resumed later
        if (machine.answer(one.request, message)._tag === "Taken") one.isWaiting = false
        return
      }
      case "End": {
        const able = running().filter(({ isWaiting }) => !isWaiting)
        if (able.length === 0) return
        const one = able[step.which % able.length]!
        one.state = step.how
        return machine.ended(one.request, step.how)
      }
      case "Turn":
        return takeTurn()
      case "Accept":
        return accept()
      case "LastCall":
        if (over !== undefined) return
        last ??= received === 0 ? 0 : ends.find((end) => end >= received)
        return machine.lastCall()
    }
  }

  for (const step of steps) {
    act(step)
    check()
  }

  // everything comes to an end
  const isServed = () => {
    for (let i = 0; i < 1000 && over === undefined; i++) {
      takeTurn()
      accept()
      act({ _tag: "Receive", size: 60 })
      if (received === input.length && !hasFinished) {
        hasFinished = true
        machine.finished()
      }
      act({ _tag: "End", which: 0, how: "Answered" })
      check()
    }
    return over
  }
  assert.isDefined(isServed())
  if (over === "Break") return assert.isFalse(all.holdsBack)

  const sent = messagesOf(concat(out), all.correlate)
  const marks = sent.map(({ message }) => message[0] ?? -1)
  if (all.correlate) {
    assert.lengthOf(modelled, ends.filter((end) => end <= (last ?? received)).length)
    for (const { given, index } of modelled) {
      assert.deepStrictEqual(sent.filter(({ id }) => id === index).map(({ message }) => message[0] ?? -1), given)
    }
  } else {
    const failed = modelled.findIndex(({ state }) => state === "Failed")
    const until = failed === -1 ? modelled : modelled.slice(0, failed)
    const certain = until.flatMap(({ given }) => given)
    assert.deepStrictEqual(marks.slice(0, certain.length), certain)
    // the failed one may have given some answers before it failed
    const rest = failed === -1 ? [] : modelled[failed]!.given
    assert.deepStrictEqual(marks.slice(certain.length), rest.slice(0, marks.length - certain.length))
  }
}

describe("generated steps", () => {
  it("answer every request once, within the limits, in order where order counts", () => {
    const sizes = FastCheck.array(FastCheck.nat(40), { maxLength: 12 })
    const outcome = FastCheck.check(
      FastCheck.property(options, sizes, FastCheck.array(step, { maxLength: 80 }), run),
      { numRuns: 300 }
    )
    assert.isFalse(outcome.failed, FastCheck.defaultReportMessage(outcome))
  })
})
