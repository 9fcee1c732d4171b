/** Which endpoint a creation tries next. */
import type { Endpoint, EndpointEntry, SessionCreation } from "./endpoint.js"

/** `None`: every endpoint has been tried, or failed shortly before. `Wait`: ask again at the latest at `until`. */
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

export const choose = <D extends EndpointEntry, F>(
  listed: ReadonlyArray<Endpoint<D, F>>,
  creation: SessionCreation<D, F>,
  attemptDelay: number,
  now: number
): Choice<D, F> => {
  const untried = listed.filter((endpoint) => !creation.tried.has(endpoint))
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
  return chooseDoubtful(untried, creation, attemptDelay, now)
}

/** No endpoint is well and prompt: late ones come first, then the ones in trouble, ejected ones included. */
const chooseDoubtful = <D extends EndpointEntry, F>(
  untried: ReadonlyArray<Endpoint<D, F>>,
  creation: SessionCreation<D, F>,
  attemptDelay: number,
  now: number
): Choice<D, F> => {
  const doubtful = untried.toSorted((a, b) =>
    a.health === "Well" || b.health === "Well"
      ? Number(b.health === "Well") - Number(a.health === "Well") || a.rank - b.rank
      : a.dueAt - b.dueAt || a.rank - b.rank
  )
  const isDue = (endpoint: Endpoint<D, F>) => endpoint.retryAt <= now || endpoint.probe?.state === "Open"
  const endpoint = doubtful.find((endpoint) => isDue(endpoint) && canTake(endpoint, now))
  if (endpoint !== undefined) return { _tag: "Try", endpoint }
  // this creation shares the outcome of an attempt under way
  const isShared = doubtful.some(({ attempts }) => attempts.size > 0)
  // a creation that has tried something does not wait long for the others, which failed shortly before
  const patience = creation.tried.size > 0 ? attemptDelay : Infinity
  const waiting = doubtful.filter(({ attempts, retryAt }) => attempts.size === 0 && retryAt - now <= patience)
  if (!isShared && waiting.length === 0) return { _tag: "None" }
  return { _tag: "Wait", until: Math.min(...waiting.map(({ retryAt }) => retryAt)) }
}
