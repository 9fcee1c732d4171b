/** How long borrowers ride out an outage. */
import type { DurationInput } from "#effect/duration"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import type { PoolError } from "../../PoolError.js"
import type { PoolLog } from "../observe/poolLog.js"
import { rideOutAnswer } from "../options/engineOptions.js"
import { decodeOne } from "../options/optionTable.js"
import { runHook } from "./itemHooks.js"

/** Returns milliseconds for a cause. A user's function that throws, or returns no duration, counts as 0. */
export const rideOutOf = <E>(
  rideOut: number | ((cause: Cause.Cause<E | PoolError>) => DurationInput),
  log: PoolLog
): (cause: Cause.Cause<E | PoolError>) => number => {
  if (typeof rideOut !== "function") return () => rideOut
  return (cause) => {
    const answer = runHook(() => Exit.succeed(rideOut(cause))) as Exit.Exit<DurationInput>
    const { decoded, problems } = decodeOne(rideOutAnswer, Exit.isSuccess(answer) ? answer.value : 0, "rideOut")
    const wrong = Exit.isFailure(answer) ? answer.cause : problems[0] && Cause.die(problems[0].message)
    if (wrong !== undefined) log.rideOutFailed(wrong)
    return wrong === undefined ? decoded : 0
  }
}
