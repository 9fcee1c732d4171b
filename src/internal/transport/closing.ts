/** Frees native sessions, and limits how long a peer may take to confirm a close. */
import { isLessThan } from "#effect/duration"
import { andThen, callback } from "#effect/effect"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ConstructorService, NativeWebTransport } from "../../WebTransportConstructor.js"
import { atMost, longestSilence, longestTurn } from "./endings.js"
import { isFirefox } from "./failure.js"

const closeNative = (native: NativeWebTransport): void => {
  try {
    native.close()
  } catch {
    // Some platforms cannot close a session before it is ready, or after it broke.
  }
}

/** `wasReady`: whether the platform has called the session ready. */
export const freeNative = (
  native: NativeWebTransport,
  service: ConstructorService | undefined,
  wasReady: boolean
): void => {
  if (service?.abandon !== undefined) return service.abandon(native)
  if (!wasReady) {
    // The session may still connect, and would stay open without an owner (Deno 2.9, where `close()` throws until then).
    native.ready.then(() => closeNative(native), () => {})
    // Here `close` before `ready` does not stop the attempt, which becomes a session without an owner (Firefox 153).
    if (isFirefox()) return
  }
  closeNative(native)
}

const closeWithin = Duration.millis(500)
/**
 * After this many looks in a row without a byte of the peer, a closing session is no longer awaited. That is less than a
 * pool's closeTimeout.
 */
const longestPause = 6

interface ClosedSession {
  readonly native: NativeWebTransport
  readonly service: ConstructorService | undefined
  /** Whether the session has left its pool, so that nothing waits for its end. */
  readonly hasLeftPool: boolean
}

const freed = ({ native, service }: ClosedSession): Effect.Effect<void> => {
  const promise = service?.freed?.(native)
  if (promise === undefined) return Effect.void
  return callback<void>((resume) => {
    const done = () => resume(Effect.void)
    promise.then(done, done)
  })
}

/**
 * Waits until the session is closed and its connection gone. If written bytes may still be on their way, it waits for a
 * slow peer as long as the peer sends bytes.
 */
export const untilGone = (
  session: ClosedSession,
  closed: Effect.Effect<unknown>,
  endings: { readonly hasDelivered: boolean; readonly lookEvery: Duration.Duration }
): Effect.Effect<unknown> => {
  const { native, service } = session
  const { hasDelivered, lookEvery } = endings
  const gone = andThen(closed, freed(session))
  const silence = Duration.times(lookEvery, longestPause)
  let received = service?.received?.(native)
  if (!hasDelivered || received === undefined || isLessThan(silence, closeWithin)) {
    return atMost(gone, closeWithin)
  }
  let pause = 0
  let looks = 0
  const wait: Effect.Effect<unknown> = Effect.flatMap(atMost(gone, lookEvery), (outcome) => {
    const now = service?.received?.(native)
    pause = now === received ? pause + 1 : 0
    received = now
    const longest = session.hasLeftPool ? longestSilence : longestPause
    return Option.isSome(outcome) || pause >= longest || ++looks >= longestTurn ? Effect.void : wait
  })
  return wait
}
