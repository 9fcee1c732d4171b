/** How long borrowers ride out an outage. */
import type { DurationInput } from "#effect/duration"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import type { PoolError } from "../../PoolError.js"
import type { MachineOptions } from "../core/pool/policy.js"
import type { PoolLog } from "../observe/poolLog.js"
import { type EngineSettings, rideOutAnswer } from "../options/engineOptions.js"
import { decodeOne } from "../options/optionTable.js"
import { runHook } from "./itemHooks.js"
import type { Refusals } from "./refusals.js"

type RideOut<E> = (cause: Cause.Cause<E | PoolError>) => DurationInput

/** The rules of the pool's machine: the same object for all pools with these settings, unless `rideOut` is a function. */
export const policyOf = <A, E, V>(
  { machine, rideOut }: EngineSettings,
  refusals: Refusals<A, E, V>,
  log: PoolLog
): MachineOptions<Cause.Cause<E>> =>
  typeof rideOut !== "function" ? machine : {
    ...machine,
    rideOut: (refusal) => ask(rideOut, refusals.causeOf(refusal), log)
  }

/** Returns milliseconds for a cause. A user's function that throws, or returns no duration, counts as 0. */
const ask = <E>(rideOut: RideOut<E>, cause: Cause.Cause<E | PoolError>, log: PoolLog): number => {
  const answer = runHook(() => Exit.succeed(rideOut(cause))) as Exit.Exit<DurationInput>
  const { decoded, problems } = decodeOne(rideOutAnswer, Exit.isSuccess(answer) ? answer.value : 0, "rideOut")
  const wrong = Exit.isFailure(answer) ? answer.cause : problems[0] && Cause.die(problems[0].message)
  if (wrong !== undefined) log.rideOutFailed(wrong)
  return wrong === undefined ? decoded : 0
}
