/**
 * A place where one fiber at a time waits for an outcome.
 *
 * The fiber is resumed with the one step that takes what it waited for: an interruption comes before that step, and nothing was
 * taken, or after it, and the fiber has it. So the wait needs no finalizer, which would cost more than the rest of a read. What
 * it needs is to know, later, whether the fiber was interrupted. `AskingWaitSlot` asks the fiber itself, by a reference within
 * Effect. `areSupported` tries that once; where it does not work, `GuardedWaitSlot` takes a finalizer.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as RuntimeFlags from "effect/RuntimeFlags"
import type { AnyFiber, FiberState, RunningFiber } from "./fiber.js"

export type Resume = (effect: Effect.Effect<any, any>) => void

/** What a wait comes to; undefined while the fiber has to wait. */
export type Outcome<A, E> = () => Effect.Effect<A, E> | undefined

/** Something that a fiber waits for. It may be done before the fiber comes to wait: in between the fiber may pause. */
export class Pending {
  private outcome: Effect.Effect<any, any> | undefined = undefined
  /** Undefined before the fiber waits, and once the wait was interrupted. */
  private resume: Resume | undefined = undefined

  done(outcome: Effect.Effect<any, any>): void {
    if (this.outcome !== undefined) return
    this.outcome = outcome
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

const hasInterruption = (fiber: AnyFiber): boolean => !Cause.isEmpty(fiber.getFiberRef(FiberRef.interruptedCause))

export abstract class WaitSlot {
  protected waiter: Waiter | undefined = undefined
  /** Whether a wait was interrupted; until the owner of the slot says that it is of no importance any more. */
  isAbandoned = false
  private readonly refuse: () => unknown

  /** `refuse` makes the defect of a second fiber that begins to wait. */
  constructor(refuse: () => unknown) {
    this.refuse = refuse
  }

  /** Waits for an outcome, which is asked for at first and at each `wake`. The effect is to be run at once. */
  abstract begin<A, E>(
    ask: Outcome<A, E>,
    fiber: RunningFiber<unknown, unknown>,
    state: FiberState
  ): Effect.Effect<A, E>

  /** Whether the fiber in the slot was interrupted. */
  protected abstract get wasInterrupted(): boolean

  /** The outcome if it is there, or what waits for it. */
  protected beginNow<A, E>(ask: Outcome<A, E>): Effect.Effect<A, E> | Waiter {
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

  /** What an interrupted fiber had waited for has come after all. */
  arrived(): void {
    if (this.wasInterrupted) this.waiter = undefined
  }

  /** Asks for the outcome again. */
  wake(): void {
    const waiter = this.isTaken ? this.waiter : undefined
    const outcome = waiter?.ask()
    if (outcome === undefined) return
    this.waiter = undefined
    waiter!.done(outcome)
  }
}

export class AskingWaitSlot extends WaitSlot {
  /** Undefined where the fiber cannot be interrupted while it waits. */
  private fiber: RunningFiber<unknown, unknown> | undefined = undefined

  protected get wasInterrupted(): boolean {
    return this.waiter !== undefined && this.fiber !== undefined && hasInterruption(this.fiber)
  }

  begin<A, E>(
    ask: Outcome<A, E>,
    fiber: RunningFiber<unknown, unknown>,
    state: FiberState
  ): Effect.Effect<A, E> {
    const begun = this.beginNow(ask)
    if (!(begun instanceof Waiter)) return begun
    this.fiber = RuntimeFlags.interruptible(state.runtimeFlags) ? fiber : undefined
    return Effect.async<A, E>((resume) => begun.await(resume))
  }
}

export class GuardedWaitSlot extends WaitSlot {
  private interrupted: Waiter | undefined = undefined

  protected get wasInterrupted(): boolean {
    return this.waiter !== undefined && this.waiter === this.interrupted
  }

  begin<A, E>(ask: Outcome<A, E>): Effect.Effect<A, E> {
    // the step that takes comes after the region: at its end an interruption would lose what was taken
    return Effect.flatten(Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const begun = this.beginNow(ask)
        if (!(begun instanceof Waiter)) return Effect.succeed(begun)
        return Effect.onInterrupt(
          restore(
            Effect.async<Effect.Effect<A, E>>((resume) => begun.await((outcome) => resume(Effect.succeed(outcome))))
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

/** Whether a fiber tells, once it was interrupted, that it was, and says nothing of the kind before. Tried once. */
export const areSupported: Effect.Effect<boolean> = Effect.suspend(() => {
  if (supported !== undefined) return Effect.succeed(supported)
  const probe = Effect.gen(function*() {
    const fiber = yield* Effect.interruptible(Effect.never).pipe(Effect.forkDaemon)
    yield* Effect.yieldNow()
    const before = hasInterruption(fiber)
    yield* Fiber.interrupt(fiber)
    const isInterruptible = yield* Effect.withFiberRuntime<boolean>((_, status) =>
      Effect.succeed(RuntimeFlags.interruptible(status.runtimeFlags))
    ).pipe(Effect.interruptible)
    return !before && hasInterruption(fiber) && isInterruptible
  })
  return Effect.catchAllCause(probe, () => Effect.succeed(false)).pipe(
    Effect.tap((outcome) => Effect.sync(() => supported = outcome)),
    Effect.uninterruptible
  )
})

/** A slot of the kind that works; `areSupported` has to have run. */
export const makeWaitSlot = (refuse: () => unknown): WaitSlot =>
  supported === true ? new AskingWaitSlot(refuse) : new GuardedWaitSlot(refuse)
