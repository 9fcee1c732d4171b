/** Serves the requests on a stream: the fibers of the handlers, and the commands of the machine that decides. */
import { isInterruptedOnly } from "#effect/cause"
import { andThen, callback } from "#effect/effect"
import { interruptFiber, type RunningFiber } from "#effect/fiber"
import { isDone } from "#effect/fiberFrame"
import { fork, forkScoped, type PoolRuntime, poolRuntime } from "#effect/poolRuntime"
import { forEachArray } from "#effect/stream"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { FramingError } from "../../FramingError.js"
import type * as WebTransport from "../../WebTransport.js"
import type { WebTransportError } from "../../WebTransportError.js"
import { isBytes, notBytes } from "../core/kinds.js"
import {
  type ServeCommand,
  type ServedRequest,
  ServeMachine,
  type ServeMachineOptions
} from "../core/serving/serveMachine.js"
import { OncePerMinute } from "../observe/oncePerMinute.js"
import type { ByteStream } from "../transport/byteStream.js"
import { atEndOfTurn } from "../transport/endOfTurn.js"
import { framingError } from "../transport/failure.js"
import { Pending } from "../transport/wait.js"
import { maxMessageSize, type Options } from "./encoding.js"

export interface ServeOptions extends Options {
  readonly concurrency?: number | undefined
  readonly correlate?: boolean | undefined
  readonly maxBuffered?: number | undefined
}

export type Handler<R> = (
  request: Uint8Array
) => Effect.Effect<Uint8Array, never, R> | Stream.Stream<Uint8Array, never, R>

/** The server's end of a stream. */
export interface ServedStream<E> {
  /** Whether an unread stream holds its client back. */
  readonly holdsBack: boolean
  readonly read: Effect.Effect<Option.Option<Uint8Array>, E>
  /** Completes when the transport has accepted the bytes, which nothing changes any more. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, E>
  readonly finish: Effect.Effect<void, E>
  readonly reset: Effect.Effect<void>
  /** Calls back when the server takes no more requests. Returns a function that ends this. */
  readonly onLastCall: (then: () => void) => () => void
  /** Calls back when the client breaks the stream. Returns a function that ends this. */
  readonly onBroken: (then: (error: E) => void) => () => void
}

const defaultConcurrency = 128
const defaultMaxBuffered = 1024 * 1024

const wholeNumber = (name: string, value: number, min: number): number => {
  if (Number.isSafeInteger(value) && value >= min) return value
  throw new RangeError(`${name} must be a whole number, at least ${min}, but was ${String(value)}`)
}

const machineOptions = (options: ServeOptions | undefined, holdsBack: boolean): ServeMachineOptions => ({
  concurrency: wholeNumber("concurrency", options?.concurrency ?? defaultConcurrency, 1),
  correlate: options?.correlate ?? true,
  maxBuffered: wholeNumber("maxBuffered", options?.maxBuffered ?? defaultMaxBuffered, 0),
  maxMessageSize: maxMessageSize(options),
  holdsBack
})

/** A broken handler breaks the requests of all streams of a process. A process has one clock, and a test its own. */
const failures = new WeakMap<Clock.Clock, OncePerMinute>()

const failuresOf = (clock: Clock.Clock): OncePerMinute => {
  let lines = failures.get(clock)
  if (lines === undefined) failures.set(clock, lines = new OncePerMinute())
  return lines
}

const ignore = () => {}

const taken = Effect.void

class Serving<E> {
  private readonly stream: ServedStream<E>
  private readonly handler: Handler<any>
  private readonly correlate: boolean
  private readonly runtime: PoolRuntime
  private readonly machine: ServeMachine
  /** The handlers, the reader and the writer. */
  private readonly fibers = new Set<RunningFiber<unknown, unknown>>()
  /** Handlers whose answer waits for room. */
  private readonly waiting = new Map<ServedRequest, Pending>()
  private readonly outcome = new Pending()
  private isStopped = false
  private isLast = false
  private wakeReader: () => void = ignore
  private whenEmpty: () => void = ignore
  private forget: () => void = ignore
  private forgetLastCall: () => void = ignore

  constructor(stream: ServedStream<E>, handler: Handler<any>, options: ServeMachineOptions, runtime: PoolRuntime) {
    this.stream = stream
    this.handler = handler
    this.correlate = options.correlate
    this.runtime = runtime
    this.machine = new ServeMachine(options, (command) => this.perform(command))
  }

  start(): void {
    this.forget = this.stream.onBroken((error) => this.end(Effect.fail(error)))
    this.run(Effect.interruptible(this.reading), (exit) => {
      if (Exit.isFailure(exit)) this.end(exit)
    })
    this.forgetLastCall = this.stream.onLastCall(() => {
      this.isLast = true
      this.machine.lastCall()
    })
  }

  /** Completes when nothing is left to answer. Fails if the client broke the stream or the rules. */
  readonly done: Effect.Effect<void, E | FramingError> = callback((resume) => this.outcome.await(resume))

  private end(outcome: Effect.Effect<void, E | FramingError>): void {
    this.outcome.complete(outcome)
  }

  /** Interrupts everything that runs, and waits for it. */
  readonly stop: Effect.Effect<void> = callback((resume) => {
    this.isStopped = true
    this.forget()
    this.forgetLastCall()
    this.whenEmpty = () => resume(Effect.void)
    for (const fiber of this.fibers) interruptFiber(fiber)
    if (this.fibers.size === 0) this.whenEmpty()
  })

  /**
   * Finishes the stream. After the last call its client may still write: reading on lets the answers arrive first, since the
   * end of reading, or of the session, might overtake them.
   */
  get finish(): Effect.Effect<void, E> {
    return this.isLast ? andThen(this.stream.finish, Effect.ignore(this.skipRest)) : this.stream.finish
  }

  private readonly skipRest: Effect.Effect<void, E> = Effect.suspend(() =>
    Effect.flatMap(this.stream.read, (chunk) => Option.isNone(chunk) ? Effect.void : this.skipRest)
  )

  // --- fibers

  /** Runs an effect on a fiber of its own, uninterruptible unless the effect says otherwise. */
  private run<A, X>(effect: Effect.Effect<A, X>, then: (exit: Exit.Exit<A, X>) => void): void {
    const fiber = fork(
      this.runtime,
      Effect.map(Effect.exit(effect), (exit) => {
        then(exit)
        this.left(fiber)
      })
    )
    this.fibers.add(fiber)
  }

  private left(fiber: RunningFiber<unknown, unknown>): void {
    this.fibers.delete(fiber)
    if (this.fibers.size === 0) this.whenEmpty()
  }

  private perform(command: ServeCommand): void {
    if (this.isStopped) return
    switch (command._tag) {
      case "Begin":
        return this.beginRequest(command.request, command.message)
      case "Resume": {
        const pending = this.waiting.get(command.request)
        this.waiting.delete(command.request)
        return pending?.complete(Effect.void)
      }
      case "Read":
        return this.wakeReader()
      case "Write":
        return atEndOfTurn(this.write)
      case "Finish":
        return this.end(Effect.void)
      case "Break":
        return this.end(Effect.fail(framingError(command.problem)))
    }
  }

  // --- the client's bytes

  private readonly reading: Effect.Effect<void, E> = Effect.suspend(() =>
    Effect.flatMap(this.stream.read, (chunk) => {
      if (Option.isNone(chunk)) {
        this.machine.finished()
        return Effect.void
      }
      this.machine.received(chunk.value)
      return this.machine.isReading ? this.reading : andThen(this.readAgain, this.reading)
    })
  )

  private readonly readAgain: Effect.Effect<void> = callback((resume) => {
    if (this.machine.isReading) return resume(Effect.void)
    this.wakeReader = () => resume(Effect.void)
  })

  private readonly write = (): void => {
    if (this.isStopped) return
    this.run(Effect.interruptible(this.stream.write(this.machine.takeBatch())), (exit) => {
      if (Exit.isSuccess(exit)) this.machine.written()
      else this.end(exit)
    })
  }

  // --- handlers

  private beginRequest(request: ServedRequest, message: Uint8Array): void {
    const answering = this.answering(request, message)
    // most of the work for a small request would be its fiber
    if (answering === taken) return this.machine.ended(request, "Answered")
    let isAnswered = false
    const noted = Effect.map(answering, () => {
      isAnswered = true
    })
    const fiber = forkScoped(this.runtime, noted, (exit) => {
      this.waiting.delete(request)
      this.machine.ended(request, isAnswered ? "Answered" : "Failed")
      if (Exit.isFailure(exit)) this.report(exit, isAnswered)
      this.left(fiber)
    })
    this.fibers.add(fiber)
  }

  /** Gives all answers; `taken` if that is done. */
  private answering(request: ServedRequest, message: Uint8Array): Effect.Effect<void, FramingError, Scope.Scope> {
    try {
      const answers = this.handler(message)
      if (!Effect.isEffect(answers)) {
        return forEachArray(
          answers,
          (some) => Effect.forEach(some, (one) => this.answerLater(request, one), { discard: true })
        )
      }
      if (isDone(answers) && Exit.isSuccess(answers)) return this.answerNow(request, answers.value)
      return Effect.flatMap(answers, (answer) => this.answerNow(request, answer))
    } catch (defect) {
      return Effect.die(defect)
    }
  }

  private answerLater(request: ServedRequest, answer: Uint8Array): Effect.Effect<void, FramingError> {
    return Effect.suspend(() => this.answerNow(request, answer))
  }

  /** Gives an answer. The effect, which has to run at once, completes when the request may give the next one. */
  private answerNow(request: ServedRequest, answer: Uint8Array): Effect.Effect<void, FramingError> {
    if (!isBytes(answer)) return Effect.die(notBytes("an answer", answer))
    const given = this.machine.answer(request, answer)
    switch (given._tag) {
      case "Taken":
        return taken
      case "Oversized":
        return Effect.fail(framingError(given))
      case "Waits": {
        const pending = new Pending()
        this.waiting.set(request, pending)
        return callback<void, FramingError>((resume) => pending.await(resume))
      }
    }
  }

  /** The interruption of a handler by its server is no news. */
  private report({ cause }: Exit.Failure<unknown, unknown>, isAnswered: boolean): void {
    if (this.isStopped && isInterruptedOnly(cause)) return
    const outcome = isAnswered
      ? "a finalizer of a request failed after the answer"
      : this.correlate
      ? "the handler of a request failed; the request gets no answer"
      : "the handler of a request failed; the stream ends, since the client would take a later answer for this one"
    const since = failuresOf(this.runtime.clock).due(this.runtime.clock, outcome)
    if (since === undefined) return
    const line = Effect.annotateLogs(Effect.logWarning(outcome, cause), {
      package: "effect-pools",
      module: "Framing",
      event: "HandlerFailure",
      ...since
    })
    this.run(line, ignore)
  }
}

/** Serves the requests on a stream until the client has finished and every answer is written. */
export const serveOn = <E, R>(
  stream: ServedStream<E>,
  handler: Handler<R>,
  options: ServeOptions | undefined
): Effect.Effect<void, E | FramingError, Exclude<R, Scope.Scope>> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(poolRuntime, (runtime) => {
      const serving = new Serving(stream, handler, machineOptions(options, stream.holdsBack), runtime)
      serving.start()
      return Effect.flatMap(
        Effect.exit(restore(serving.done)),
        (exit) => andThen(serving.stop, Exit.isSuccess(exit) ? restore(serving.finish) : andThen(stream.reset, exit))
      )
    })
  )

const servedStream = (stream: WebTransport.BidirectionalStream): ServedStream<WebTransportError> => {
  if (!Predicate.hasProperty(stream, "whenBroken")) {
    throw new TypeError("serve: this stream is not from a WebTransport.Session, or it belongs to a pool")
  }
  const bytes = stream as unknown as ByteStream
  return {
    holdsBack: bytes.host.holdsBack,
    read: bytes.read,
    write: (batch) => bytes.writeOwned(batch),
    finish: bytes.closeWrite,
    reset: bytes.reset(0),
    onLastCall: (then) => bytes.host.lastCall?.on(then) ?? ignore,
    onBroken: (then) => {
      bytes.whenBroken = then
      return () => {
        bytes.whenBroken = undefined
      }
    }
  }
}

export const serve = <R>(
  stream: WebTransport.BidirectionalStream,
  handler: Handler<R>,
  options?: ServeOptions
): Effect.Effect<void, FramingError | WebTransportError, Exclude<R, Scope.Scope>> =>
  Effect.suspend(() => serveOn(servedStream(stream), handler, options))
