/**
 * The ended streams of a session: the bytes they still have to send, and the ends that the platform has not confirmed.
 *
 * A stream that ended in success sends all its bytes, as long as the platform continues to take bytes. Regular looks tell
 * whether it does. A stream that is silent for too long is reset.
 */
import { complete, makeDeferred } from "#effect/deferred"
import { andThen } from "#effect/effect"
import { closeLatch, makeLatch, openLatch } from "#effect/latch"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import { endingTimeout } from "../core/streams/streamEndings.js"
import type { ByteStream } from "./byteStream.js"

/** The longest silence of a session: this many looks in a row at which the platform had taken no bytes. */
export const longestSilence = 8
/** The longest silence of a stream if its session is not silent: many streams may share a slow session in turns. */
export const longestTurn = 12 * longestSilence

/** Limits the time of an effect, also in an uninterruptible region. */
export const atMost = <A, E>(
  effect: Effect.Effect<A, E>,
  limit: Duration.Duration
): Effect.Effect<Option.Option<A>, E> => Effect.timeoutOption(Effect.interruptible(effect), limit)

/** Waits complete when the gate is released; later waits need another release. */
class Gate {
  private deferred: Deferred.Deferred<void> | undefined = undefined

  get wait(): Effect.Effect<void> {
    return Deferred.await(this.deferred ??= makeDeferred<void>())
  }

  release(): void {
    const { deferred } = this
    this.deferred = undefined
    if (deferred !== undefined) complete(deferred, Effect.void)
  }
}

export class UnconfirmedEnds {
  readonly lookEvery: Duration.Duration
  private readonly isClosing: () => boolean
  /** Streams whose end the platform has not confirmed. */
  readonly unconfirmed = new Set<ByteStream>()
  /** Unconfirmed streams that ended in success: their bytes and the FIN still have to be sent. */
  private readonly delivering = new Set<ByteStream>()
  /** Whether there were bytes to send recently: the peer may not have received them yet. */
  hasDelivered = false
  /** Whether a stream ended in success without an answer to its last write. */
  private hasUnanswered = false
  /** Whether the session was retired because it granted no stream, while the peer may owe it the credit of ended streams. */
  private isOwedCredit = false
  /** How often the platform has taken written bytes, on all streams of the session. */
  taken = 0
  private takenAtLook = 0
  private looks = 0
  private readonly isGuarded = makeLatch(false)
  private readonly allDelivered = new Gate()
  private readonly allConfirmed = new Gate()

  constructor(closeTimeout: Duration.Duration, isClosing: () => boolean) {
    this.lookEvery = Duration.times(closeTimeout, 1 / longestSilence)
    this.isClosing = isClosing
  }

  /** `isDelivering`: the stream sends all its bytes, however long that takes. */
  add(stream: ByteStream, isDelivering: boolean): void {
    this.unconfirmed.add(stream)
    if (!isDelivering) return
    this.delivering.add(stream)
    if (stream.isUnanswered) this.hasUnanswered = true
    if (this.delivering.size > 1) return
    this.looks = 0
    this.takenAtLook = this.taken
    if (this.hasDelivered) return
    this.hasDelivered = true
    openLatch(this.isGuarded)
  }

  /** The stream's FIN is sent, or the stream broke. */
  delivered(stream: ByteStream): void {
    if (this.delivering.delete(stream) && !this.hasToDeliver) this.allDelivered.release()
  }

  /** The end of the stream is confirmed, or no longer awaited. */
  confirmed(stream: ByteStream): void {
    this.delivered(stream)
    this.unconfirmed.delete(stream)
  }

  /** Call it after `confirmed`, when the observers have been told. */
  releaseIfEmpty(): void {
    if (this.unconfirmed.size === 0) this.allConfirmed.release()
  }

  /** The session is gone: all waits end. */
  clear(): void {
    this.unconfirmed.clear()
    this.delivering.clear()
    this.isOwedCredit = false
    this.allConfirmed.release()
    this.allDelivered.release()
  }

  /** Whether bytes that were written in success are, or may be, on their way. */
  get hasToDeliver(): boolean {
    return this.delivering.size > 0 || this.isOwedCredit
  }

  /** Completes when no bytes are on their way. It waits as long as the platform continues to take bytes. */
  get untilDelivered(): Effect.Effect<void> {
    return Effect.suspend(() => this.hasToDeliver ? this.allDelivered.wait : Effect.void)
  }

  /** Completes when the platform has confirmed all ends, or its time is over. */
  get untilConfirmed(): Effect.Effect<unknown> {
    return Effect.suspend(() =>
      this.unconfirmed.size === 0 ? Effect.void : atMost(this.allConfirmed.wait, Duration.millis(endingTimeout))
    )
  }

  /** Resets streams that are silent for too long. Run it while the session is open. */
  readonly guard: Effect.Effect<never> = Effect.forever(
    Effect.suspend(() =>
      this.isGuarded.await.pipe(
        andThen(Effect.sleep(this.lookEvery)),
        andThen(Effect.sync(() => this.isClosing() ? undefined : this.look()))
      )
    )
  )

  /** Replaces `guard` while the session closes. Completes when all bytes are sent or given up. */
  get deliver(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.delivering.size === 0 ? Effect.void : andThen(
        atMost(this.untilDelivered, this.lookEvery),
        Effect.suspend(() => {
          this.look()
          return this.deliver
        })
      )
    )
  }

  private look(): void {
    this.looks = this.taken === this.takenAtLook ? this.looks + 1 : 0
    this.takenAtLook = this.taken
    if (this.delivering.size === 0 && this.looks > longestSilence) {
      this.hasDelivered = false
      closeLatch(this.isGuarded)
    }
    for (const stream of [...this.delivering]) {
      const looks = stream.look()
      if (looks > longestTurn || (looks > longestSilence && this.looks > longestSilence)) {
        stream.giveUp("the transport took no byte of the stream for closeTimeout")
      }
    }
  }

  /** Whether the peer may not have read all bytes of ended streams yet. It grants new streams only after that. */
  get mayBeUnread(): boolean {
    return this.hasUnanswered && this.hasDelivered
  }

  /**
   * The session has granted no stream for long, although none is open. The bytes of ended streams may still be on their way.
   */
  giveUpGranting(): void {
    this.isOwedCredit = this.hasUnanswered
  }

  /** The time is over: bytes that the platform has not taken are not sent. */
  cutShort(): void {
    this.isOwedCredit = false
    for (const stream of [...this.delivering]) {
      stream.giveUp("the session closed before all bytes were sent")
    }
    if (!this.hasToDeliver) this.allDelivered.release()
  }
}
