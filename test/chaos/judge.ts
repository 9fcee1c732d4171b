/** The allowed consequences of bad input. */
import type * as WebTransport from "effect-pools/WebTransport"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"

export interface Target<A> {
  readonly what: string
  readonly arbitrary: FastCheck.Arbitrary<A>
  readonly cases: number
  readonly run: (
    input: A,
    used: Used
  ) => Effect.Effect<unknown, unknown, Scope.Scope | WebTransport.WebTransportConstructor>
  /** The message of a defect, or of a typed error if `isNamed`, must contain one of these names. */
  readonly names: (input: A) => ReadonlyArray<string>
  readonly isNamed?: boolean | undefined
}

/** An outcome that no input may have. */
export class Wrong extends Error {}

export const wrong = (what: string): Effect.Effect<never> => Effect.die(new Wrong(what))

export const isTagged = (error: unknown): boolean =>
  typeof error === "object" && error !== null && ("_tag" in error || "_op" in error)

/** Counts and judges the uses of accepted input: a use may succeed, or fail with a tag. */
export class Used {
  uses = 0
  successes = 0

  readonly judge = (exit: Exit.Exit<unknown, unknown>, wasInterrupted = false): Effect.Effect<void> => {
    this.uses++
    if (Exit.isSuccess(exit)) {
      this.successes++
      return Effect.void
    }
    return wasInterrupted && Exit.isInterrupted(exit) || Option.exists(Cause.failureOption(exit.cause), isTagged)
      ? Effect.void
      : wrong(`in use: ${String(Cause.squash(exit.cause))}`)
  }

  readonly once = <R>(effect: Effect.Effect<unknown, unknown, R>): Effect.Effect<void, never, R> =>
    Effect.flatMap(Effect.exit(effect), (exit) => this.judge(exit))
}
