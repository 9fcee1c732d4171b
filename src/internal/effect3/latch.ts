/** Latches and semaphores that plain code makes. */
import * as Effect from "effect/Effect"

export type Latch = Effect.Latch
export type Semaphore = Effect.Semaphore

export const makeLatch: (isOpen?: boolean) => Latch = Effect.unsafeMakeLatch
export const openLatch = (latch: Latch): void => latch.unsafeOpen()
export const closeLatch = (latch: Latch): void => latch.unsafeClose()
export const makeSemaphore: (permits: number) => Semaphore = Effect.unsafeMakeSemaphore
