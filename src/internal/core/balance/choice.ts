/** Which endpoint a creation tries next. */
import type { Endpoint, EndpointEntry, SessionCreation } from "./endpoint.js"
import type { BalancePolicy } from "./policy.js"

/** `None`: every endpoint has been tried. `Wait`: ask again at the latest at `until`. */
export type Choice<D extends EndpointEntry, F> =
  | { readonly _tag: "Try"; readonly endpoint: Endpoint<D, F> }
  | { readonly _tag: "Wait"; readonly until: number }
  | { readonly _tag: "None" }

const isBefore = (a: Endpoint<any, any>, b: Endpoint<any, any>): boolean =>
  a.load !== b.load ? a.load < b.load : a.chosenTurn < b.chosenTurn

/** The least loaded endpoint with room; of equals, the one whose turn is longest ago. */
const leastLoaded = <D extends EndpointEntry, F>(
  endpoints: ReadonlyArray<Endpoint<D, F>>,
  now: number
): Endpoint<D, F> | undefined => {
  let least: Endpoint<D, F> | undefined = undefined
  for (const endpoint of endpoints) {
    if (canTake(endpoint, now) && (least === undefined || isBefore(endpoint, least))) least = endpoint
  }
  return least
}

/** Whether the endpoint has room for an opening, or a probe's session that a creation can take over. */
const canTake = (endpoint: Endpoint<any, any>, now: number): boolean =>
  endpoint.hasRoom(now) || endpoint.probe?.state === "Open"

const isDue = ({ attempts, dueAt, health }: Endpoint<any, any>, now: number): boolean =>
  health !== "Well" && dueAt <= now && attempts.size === 0

export const choose = <D extends EndpointEntry, F>(
  listed: ReadonlyArray<Endpoint<D, F>>,
  creation: SessionCreation<D, F>,
  now: number,
  { maxAttempts }: Pick<BalancePolicy, "maxAttempts">
): Choice<D, F> => {
  const untried = listed.filter((endpoint) => !creation.tried.has(endpoint))
  // without probes the creations find out whether an endpoint is well again
  const due = maxAttempts > 1 ? undefined : untried.find((endpoint) => isDue(endpoint, now))
  if (due !== undefined) return { _tag: "Try", endpoint: due }
  const well = untried.filter(({ health }) => health === "Well")
  // an endpoint whose attempt is late would keep this creation waiting, too
  const prompt = well.filter(({ lateAt }) => lateAt > now)
  const ranks = [...new Set(prompt.map(({ rank }) => rank))].sort((a, b) => a - b)
  let until = Infinity
  for (const rank of ranks) {
    const equals = prompt.filter((endpoint) => endpoint.rank === rank)
    const endpoint = leastLoaded(equals, now)
    if (endpoint !== undefined) return { _tag: "Try", endpoint }
    for (const full of equals) until = Math.min(until, full.allowanceGrowsAt(now), full.lateAt)
    // a better endpoint has no room: the next rank comes after `attemptDelay`
    if (now < creation.nextAt) return { _tag: "Wait", until: Math.min(until, creation.nextAt) }
  }
  if (prompt.length > 0) return { _tag: "Wait", until }
  return creation.attempts.size > 0 ? chooseProbed(untried) : chooseDoubtful(untried, now)
}

/**
 * No endpoint is well and prompt, and the creation has an attempt under way. A second one would go where another one is
 * late or has just failed: when a whole fleet comes back, it would double the load. A probe's open session costs nothing.
 */
const chooseProbed = <D extends EndpointEntry, F>(untried: ReadonlyArray<Endpoint<D, F>>): Choice<D, F> => {
  const endpoint = untried.find(({ probe }) => probe?.state === "Open")
  if (endpoint !== undefined) return { _tag: "Try", endpoint }
  return untried.length === 0 ? { _tag: "None" } : { _tag: "Wait", until: Infinity }
}

/**
 * No endpoint is well and prompt: late ones come first, then the ones in trouble, ejected ones included. A creation tries
 * them all: after a creation that fails the pool itself pauses. It waits only for endpoints whose sessions died young: they
 * may open more and more sessions that are of no use.
 */
const chooseDoubtful = <D extends EndpointEntry, F>(
  untried: ReadonlyArray<Endpoint<D, F>>,
  now: number
): Choice<D, F> => {
  if (untried.length === 0) return { _tag: "None" }
  const doubtful = untried.toSorted((a, b) =>
    a.health === "Well" || b.health === "Well"
      ? Number(b.health === "Well") - Number(a.health === "Well") || a.rank - b.rank
      : a.dueAt - b.dueAt || a.rank - b.rank
  )
  const endpoint = doubtful.find((endpoint) =>
    canTake(endpoint, now) && (!endpoint.needsProof || endpoint.retryAt <= now || endpoint.probe?.state === "Open")
  )
  if (endpoint !== undefined) return { _tag: "Try", endpoint }
  // the others have an attempt under way, whose failure this creation shares
  const paused = doubtful.filter(({ attempts }) => attempts.size === 0)
  return { _tag: "Wait", until: Math.min(...paused.map(({ retryAt }) => retryAt)) }
}
