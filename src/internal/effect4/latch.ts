/** Latches and semaphores that plain code makes. */
import * as Effect from "effect/Effect"
import * as EffectLatch from "effect/Latch"
import * as EffectSemaphore from "effect/Semaphore"

export type Latch = EffectLatch.Latch
export type Semaphore = EffectSemaphore.Semaphore

export const makeLatch: (isOpen?: boolean) => Latch = EffectLatch.makeUnsafe

/** `openUnsafe` would run waiting fibers inside the caller; the effect opens at once, and schedules them. */
export const openLatch = (latch: Latch): void => {
  Effect.runFork(latch.open)
}

export const closeLatch = (latch: Latch): void => {
  latch.closeUnsafe()
}

export const makeSemaphore: (permits: number) => Semaphore = EffectSemaphore.makeUnsafe
