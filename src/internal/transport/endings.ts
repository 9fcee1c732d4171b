/**
 * The streams of a session that were ended: what is still to be sent on them, and whose end the platform has not confirmed.
 *
 * What was written on a stream that ended in success is sent, as long as the platform goes on taking bytes. A look from time to
 * time tells whether it does: a stream that is silent for too long is reset.
 */
import { complete, makeDeferred } from "#effect/deferred"
import { andThen } from "#effect/effect"
import { closeLatch, makeLatch, openLatch } from "#effect/latch"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ByteStream } from "./byteStream.js"

/** How long streams that were reset, or whose bytes the platform has taken, may take until their end is confirmed. */
const confirmedWithin = Duration.seconds(1)
/** So many looks in a row at which the platform had taken nothing are the longest silence of a session. */
export const longestSilence = 8
/** The same for a stream on a session that is not silent: many streams may share a slow one, and each has its turn. */
export const longestTurn = 12 * longestSilence

/** In an uninterruptible region, too, the time limit can interrupt the effect. */
export const atMost = <A, E>(
  effect: Effect.Effect<A, E>,
  limit: Duration.Duration
): Effect.Effect<Option.Option<A>, E> => Effect.timeoutOption(Effect.interruptible(effect), limit)

/** Completes when it is released; made anew with the next one that waits. */
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

export class StreamEndings {
  readonly lookEvery: Duration.Duration
  private readonly isClosing: () => boolean
  /** Streams whose end the platform has not confirmed. */
  readonly unconfirmed = new Set<ByteStream>()
  /** Those of them that were ended in success: what was written on them is to be sent, and the FIN. */
  private readonly delivering = new Set<ByteStream>()
  /** Whether something was to be delivered not long ago: the peer may not have it yet. */
  hasDelivered = false
  /** Whether a stream has ended in success without an answer to what was written on it. */
  private hasUnanswered = false
  /** Whether the session was given up since it granted no stream: the credit of such streams may never have come back. */
  private isOwedCredit = false
  /** How often the platform has taken a piece of what was written on streams of the session. */
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

  /** `isDelivering`: what was written on the stream is to be sent, however long that takes. */
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

  /** The FIN of the stream is sent, or the stream broke. */
  delivered(stream: ByteStream): void {
    if (this.delivering.delete(stream) && !this.hasToDeliver) this.allDelivered.release()
  }

  /** The end of the stream is confirmed, or is waited for no longer. */
  confirmed(stream: ByteStream): void {
    this.delivered(stream)
    this.unconfirmed.delete(stream)
  }

  /** To be called after `confirmed`, once others have been told. */
  releaseIfEmpty(): void {
    if (this.unconfirmed.size === 0) this.allConfirmed.release()
  }

  /** The session is gone, and with it whatever was waited for. */
  clear(): void {
    this.unconfirmed.clear()
    this.delivering.clear()
    this.isOwedCredit = false
    this.allConfirmed.release()
    this.allDelivered.release()
  }

  /** Whether something is on its way that was written in success, or may be. */
  get hasToDeliver(): boolean {
    return this.delivering.size > 0 || this.isOwedCredit
  }

  /** Completes once nothing is on its way, which takes as long as the platform goes on taking bytes. */
  get untilDelivered(): Effect.Effect<void> {
    return Effect.suspend(() => this.hasToDeliver ? this.allDelivered.wait : Effect.void)
  }

  /** Completes once the platform has confirmed all ends, or has had its time to. */
  get untilConfirmed(): Effect.Effect<unknown> {
    return Effect.suspend(() =>
      this.unconfirmed.size === 0 ? Effect.void : atMost(this.allConfirmed.wait, confirmedWithin)
    )
  }

  /** Resets what has been silent for too long. Has to run as long as the session is open. */
  readonly guard: Effect.Effect<never> = Effect.forever(
    Effect.suspend(() =>
      this.isGuarded.await.pipe(
        andThen(Effect.sleep(this.lookEvery)),
        andThen(Effect.sync(() => this.isClosing() ? undefined : this.look()))
      )
    )
  )

  /** The same while the session closes. */
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
        stream.giveUp("the transport took none of its bytes for closeTimeout")
      }
    }
  }

  /** Whether the peer may not have got yet what was written on streams that ended, before which it grants no others. */
  get mayBeOwedCredit(): boolean {
    return this.hasUnanswered && this.hasDelivered
  }

  /**
   * The session has granted no stream for long, though none is open: what was written on those that ended may be on its way all
   * the same.
   */
  giveUpGranting(): void {
    this.isOwedCredit = this.hasUnanswered
  }

  /** There is no more time: bytes that the platform has not taken are not sent. */
  cutShort(): void {
    this.isOwedCredit = false
    for (const stream of [...this.delivering]) {
      stream.giveUp("its session had no more time for what was left to be sent")
    }
    if (!this.hasToDeliver) this.allDelivered.release()
  }
}
