/** Queues of incoming streams and datagrams. */
import { andThen, callback } from "#effect/effect"
import { repeatEffectOption } from "#effect/stream"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { WebTransportError } from "../../WebTransportError.js"
import type { ByteStream } from "./byteStream.js"
import { afterSessionEnd, isSessionEnd } from "./failure.js"
import { endWith } from "./opening.js"

/**
 * A native readable for several fibers: one reader for its whole life. It begins to read when a fiber waits, and stops when
 * all that came is taken, or `maxUnread` items are not: a platform may keep a single unread datagram, and a fiber may run in a
 * later turn.
 */
export class IncomingQueue<A> {
  private readonly reader: ReadableStreamDefaultReader<A>
  private readonly maxUnread: number
  private readPending = false
  private readonly unread: Array<A> = []
  private waiters: Array<() => void> = []
  /** Whether fibers have yet to take what they waited for. */
  private isAwaited = false
  isEnded = false
  failure: unknown = undefined

  constructor(readable: ReadableStream<A>, maxUnread: number) {
    this.reader = readable.getReader()
    this.maxUnread = maxUnread
  }

  take(): A | undefined {
    const item = this.unread.shift()
    if (this.unread.length === 0) this.isAwaited = this.waiters.length > 0
    if (this.isAwaited) this.pull()
    return item
  }

  /** Completes when there may be an item. It takes nothing, so an interruption loses nothing. */
  readonly arrival: Effect.Effect<void> = callback<void>((resume) => {
    if (this.unread.length > 0 || this.isEnded) return resume(Effect.void)
    const wake = () => resume(Effect.void)
    this.waiters.push(wake)
    this.pull()
    return Effect.sync(() => {
      this.waiters = this.waiters.filter((waiter) => waiter !== wake)
    })
  })

  end(failure: unknown): void {
    if (this.isEnded) return
    this.isEnded = true
    this.failure = failure
    this.wake()
  }

  private pull(): void {
    if (this.readPending || this.isEnded || this.unread.length >= this.maxUnread) return
    this.readPending = true
    this.reader.read().then(
      (next) => {
        this.readPending = false
        if (next.done) return this.end(undefined)
        this.unread.push(next.value)
        if (this.waiters.length > 0) this.isAwaited = true
        this.wake()
        if (this.isAwaited) this.pull()
      },
      (cause) => {
        // The session tells how it ended, and ends this queue (Chromium breaks the queue before that).
        if (!isSessionEnd(cause)) afterSessionEnd(cause, () => this.end(cause))
      }
    )
  }

  /** Wakes all waiting fibers, so that an interrupted fiber need not wake the next. Fibers without an item wait again. */
  private wake(): void {
    const { waiters } = this
    this.waiters = []
    for (const wake of waiters) wake()
  }
}

/** Takes the next item of a queue and applies `use` in the same step. Fails with `ended` if the queue has ended. */
export const takeNext = <A, B, R>(
  queue: IncomingQueue<A>,
  ended: (failure: unknown) => WebTransportError,
  use: (item: A) => Effect.Effect<B, never, R>,
  wait: (arrival: Effect.Effect<void>) => Effect.Effect<void>
): Effect.Effect<B, WebTransportError, R> => {
  const attempt: Effect.Effect<B, WebTransportError, R> = Effect.suspend(() => {
    const item = queue.take()
    if (item !== undefined) return use(item)
    if (queue.isEnded) return Effect.fail(ended(queue.failure))
    return andThen(wait(queue.arrival), attempt)
  })
  return attempt
}

/** The code with which a stream above the limit is reset. */
const refused = 0

/** Accepts the next stream of a queue. The stream ends with the scope. Streams for which `isExcess` holds are reset. */
export const acceptStream = <A>(
  queue: IncomingQueue<A>,
  ended: (failure: unknown) => WebTransportError,
  wrap: (native: A) => ByteStream,
  isExcess: () => boolean
): Effect.Effect<ByteStream, WebTransportError, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.scope, (scope) => {
      const admit = (stream: ByteStream): Effect.Effect<ByteStream | undefined> =>
        isExcess() ? Effect.as(stream.reset(refused), undefined) : endWith(scope, stream)
      const next: Effect.Effect<ByteStream, WebTransportError> = Effect.flatMap(
        takeNext(queue, ended, (native) => admit(wrap(native)), restore),
        (stream) => stream === undefined ? next : Effect.succeed(stream)
      )
      return next
    })
  )

/** All items of a queue. Ends if the queue ended normally, fails if it broke. */
export const streamOf = <A, B, R>(
  queue: () => IncomingQueue<A>,
  next: Effect.Effect<B, WebTransportError, R>
): Stream.Stream<B, WebTransportError, R> =>
  repeatEffectOption(
    Effect.mapError(next, (error) =>
      queue().isEnded && queue().failure === undefined ? Option.none() : Option.some(error))
  )
