/** Why a creation that tried several endpoints has no session. */
import { hasDies } from "#effect/cause"
import * as Cause from "effect/Cause"
import { isWebTransportError, WebTransportError } from "../../WebTransportError.js"
import type { SessionCreation } from "../core/balance/endpoint.js"
import { describeFailure } from "../observe/describeFailure.js"
import type { Failure, ListedEndpoint } from "./endpointList.js"

const show = (failure: unknown): string =>
  isWebTransportError(failure)
    ? `${failure.reason}: ${failure.detail ?? describeFailure(failure)}`
    : describeFailure(failure)

/** Names each endpoint and its failure. A single failure stays as it is, and so does a defect. */
export const failureOfCreation = (
  { tried }: SessionCreation<ListedEndpoint, Failure>
): Failure => {
  const known = [...tried].flatMap(([{ entry: { label } }, cause]) =>
    cause === undefined ? [] : [{ label, cause, error: Cause.squash(cause) }]
  )
  const defect = known.find(({ cause }) => hasDies(cause)) ?? (known.length === 1 ? known[0] : undefined)
  if (defect !== undefined) return defect.cause
  const reasons = new Set(known.map(({ error }) => isWebTransportError(error) ? error.reason : "Connect"))
  const [reason] = reasons
  return Cause.fail(
    new WebTransportError({
      reason: reasons.size === 1 && reason !== undefined ? reason : "Connect",
      detail: `no session with any of ${known.length} endpoints: ${
        known.map(({ error, label }) => `${label} (${show(error)})`).join("; ")
      }`,
      cause: new AggregateError(known.map(({ error }) => error), "every endpoint failed")
    })
  )
}
