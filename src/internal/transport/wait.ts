/**
 * A slot in which one fiber at a time waits for an outcome.
 *
 * The fiber is resumed with the single step that takes the outcome: an interruption comes before that step, when nothing was
 * taken, or after it, when the fiber has the outcome. So the wait needs no finalizer, which would cost more than the rest of a
 * read. But the slot has to know later whether the fiber was interrupted. `AskingWaitSlot` asks the fiber, through an
 * internal of Effect. `areSupported` tests that once; if it does not work, `GuardedWaitSlot` uses a finalizer.
 */
import { callback, catchCause, forkDetach, yieldNow } from "#effect/effect"
import { type FiberState, isInterruptible, type RunningFiber, wasInterrupted, withFiberState } from "#effect/fiber"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

export type Resume = (effect: Effect.Effect<any, any>) => void

/** The outcome of a wait; `undefined` while the fiber has to wait. */
export type Outcome<A, E> = () => Effect.Effect<A, E> | undefined

const handedOver = Effect.void

/**
 * A result that a fiber waits for. It may be done before the wait begins, since the fiber may pause in between. A result that
 * was handed over is not kept: the garbage collector may free its bytes long before this object, which has grown old.
 */
export class Pending {
  private outcome: Effect.Effect<any, any> | undefined = undefined
  /** Undefined before the wait, and after its interruption. */
  private resume: Resume | undefined = undefined

  complete(outcome: Effect.Effect<any, any>): void {
    if (this.outcome !== undefined) return
    this.outcome = this.resume === undefined ? outcome : handedOver
    this.resume?.(outcome)
  }

  await(resume: Resume): void {
    if (this.outcome === undefined) this.resume = resume
    else resume(this.outcome)
  }

  forget(): void {
    this.resume = undefined
  }
}

class Waiter extends Pending {
  readonly ask: Outcome<any, any>

  constructor(ask: Outcome<any, any>) {
    super()
    this.ask = ask
  }
}

export abstract class WaitSlot {
  protected waiter: Waiter | undefined = undefined
  /** Whether a wait was interrupted. The owner of the slot resets it. */
  isAbandoned = false
  private readonly refuse: () => unknown

  /** `refuse` makes the defect of a second concurrent wait. */
  constructor(refuse: () => unknown) {
    this.refuse = refuse
  }

  /** Waits for an outcome. The slot calls `ask` at first and at each `wake`. The caller must run the effect at once. */
  abstract wait<A, E>(
    ask: Outcome<A, E>,
    fiber: RunningFiber<unknown, unknown>,
    state: FiberState
  ): Effect.Effect<A, E>

  /** Whether the fiber in the slot was interrupted. */
  protected abstract get wasInterrupted(): boolean

  /** Returns the outcome, or a waiter if there is none yet. */
  protected waitNow<A, E>(ask: Outcome<A, E>): Effect.Effect<A, E> | Waiter {
    if (this.isTaken) return Effect.die(this.refuse())
    return ask() ?? (this.waiter = new Waiter(ask))
  }

  /** Whether a fiber waits. */
  get isTaken(): boolean {
    if (this.wasInterrupted) {
      this.waiter = undefined
      this.isAbandoned = true
    }
    return this.waiter !== undefined
  }

  /** The data of an interrupted wait has come. */
  arrived(): void {
    if (this.wasInterrupted) this.waiter = undefined
  }

  /** Calls `ask` again. */
  wake(): void {
    const waiter = this.isTaken ? this.waiter : undefined
    const outcome = waiter?.ask()
    if (outcome === undefined) return
    this.waiter = undefined
    waiter!.complete(outcome)
  }
}

export class AskingWaitSlot extends WaitSlot {
  /** Undefined if the fiber cannot be interrupted while it waits. */
  private fiber: RunningFiber<unknown, unknown> | undefined = undefined

  protected get wasInterrupted(): boolean {
    return this.waiter !== undefined && this.fiber !== undefined && wasInterrupted(this.fiber)
  }

  wait<A, E>(
    ask: Outcome<A, E>,
    fiber: RunningFiber<unknown, unknown>,
    state: FiberState
  ): Effect.Effect<A, E> {
    const begun = this.waitNow(ask)
    if (!(begun instanceof Waiter)) return begun
    this.fiber = isInterruptible(fiber, state) ? fiber : undefined
    return callback<A, E>((resume) => begun.await(resume))
  }
}

export class GuardedWaitSlot extends WaitSlot {
  private interrupted: Waiter | undefined = undefined

  protected get wasInterrupted(): boolean {
    return this.waiter !== undefined && this.waiter === this.interrupted
  }

  wait<A, E>(ask: Outcome<A, E>): Effect.Effect<A, E> {
    // the step that takes comes after the region: an interruption at the region's end would lose the taken outcome
    return Effect.flatten(Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const begun = this.waitNow(ask)
        if (!(begun instanceof Waiter)) return Effect.succeed(begun)
        return Effect.onInterrupt(
          restore(
            callback<Effect.Effect<A, E>>((resume) => begun.await((outcome) => resume(Effect.succeed(outcome))))
          ),
          () =>
            Effect.sync(() => {
              this.interrupted = begun
            })
        )
      })
    ))
  }
}

let supported: boolean | undefined

/** Whether a fiber tells that it was interrupted, and does not tell so before. Tested once. */
export const areSupported: Effect.Effect<boolean> = Effect.suspend(() => {
  if (supported !== undefined) return Effect.succeed(supported)
  const probe = Effect.gen(function*() {
    const fiber = yield* forkDetach(Effect.interruptible(Effect.never))
    yield* yieldNow
    const before = wasInterrupted(fiber)
    yield* Fiber.interrupt(fiber)
    const asked = withFiberState<boolean>((fiber, state) => Effect.succeed(isInterruptible(fiber, state)))
    const [within, without] = [yield* Effect.interruptible(asked), yield* Effect.uninterruptible(asked)]
    return !before && wasInterrupted(fiber) && within && !without
  })
  return catchCause(probe, () => Effect.succeed(false)).pipe(
    Effect.tap((outcome) => Effect.sync(() => supported = outcome)),
    Effect.uninterruptible
  )
})

/** Makes a slot of the kind that works. `areSupported` must have run before. */
export const makeWaitSlot = (refuse: () => unknown): WaitSlot =>
  supported === true ? new AskingWaitSlot(refuse) : new GuardedWaitSlot(refuse)
