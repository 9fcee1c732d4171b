/** How long borrowers wait for the end of an outage. */
import type { DurationInput } from "#effect/duration"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import type { PoolError } from "../../PoolError.js"
import type { PoolLog } from "../observe/poolLog.js"
import { Reader } from "../options/poolOptions.js"
import type { PoolSettings } from "./contract.js"
import { runHook } from "./itemHooks.js"

/** Milliseconds for each cause; a function of the user's that throws, or answers no duration, counts as 0. */
export const rideOutOf = <E>(
  rideOut: PoolSettings<E>["rideOut"],
  decoded: number,
  log: PoolLog
): (cause: Cause.Cause<E | PoolError>) => number => {
  if (typeof rideOut !== "function") return () => decoded
  return (cause) => {
    const read = new Reader()
    const answer = runHook(() => Exit.succeed(rideOut(cause))) as Exit.Exit<DurationInput>
    // what is left out is no answer
    const millis = Exit.isSuccess(answer) ? read.duration("rideOut", answer.value ?? NaN, 0) : 0
    const wrong = Exit.isFailure(answer) ? answer.cause : read.problems[0] && Cause.die(read.problems[0].message)
    if (wrong !== undefined) log.rideOutFailed(wrong)
    return millis
  }
}
