/** The user's list of endpoints, decoded. */
import { match } from "#effect/result"
import { isStream } from "#effect/stream"
import type * as Cause from "effect/Cause"
import type * as Stream from "effect/Stream"
import type { WebTransportError } from "../../WebTransportError.js"
import type { EndpointEntry } from "../core/balance/endpoint.js"
import { parseUrl } from "../transport/connect.js"

/** An endpoint of the user's list. */
export interface EndpointOption {
  readonly url: string | URL
  readonly weight?: number | undefined
  readonly priority?: number | undefined
}

export type EndpointsOption<R> =
  | ReadonlyArray<EndpointOption>
  | Stream.Stream<ReadonlyArray<EndpointOption>, unknown, R>

export interface ListedEndpoint extends EndpointEntry {
  readonly url: URL
  /** Host and port, for logs, errors, stats and metrics. */
  readonly label: string
}

/** Why an attempt to connect failed. */
export type Failure = Cause.Cause<WebTransportError>

interface DecodedList {
  /** The valid entries, each endpoint once. */
  readonly entries: ReadonlyArray<ListedEndpoint>
  /** What is wrong with the others. Shows no more of a URL than its host. */
  readonly problems: ReadonlyArray<string>
  /** The endpoints that the list has more than once. */
  readonly duplicates: ReadonlyArray<string>
}

const labelOf = ({ hostname, port }: URL): string => `${hostname}:${port === "" ? 443 : port}`

const problemOf = ({ priority = 0, weight = 1 }: EndpointOption): string | undefined => {
  if (typeof weight !== "number" || !(weight > 0 && weight < Infinity)) return `a weight of ${String(weight)}`
  if (!Number.isSafeInteger(priority) || priority < 0) return `a priority of ${String(priority)}`
  return undefined
}

/** What a URL is refused for, or the URL. */
const urlOf = (url: unknown): URL | string =>
  match(parseUrl(url as string | URL), {
    onSuccess: (url): URL | string => url,
    onFailure: (error) => `a URL that is not one for WebTransport: ${error.detail}`
  })

export const decodeList = (list: ReadonlyArray<EndpointOption>): DecodedList => {
  const entries = new Map<string, ListedEndpoint>()
  const problems: Array<string> = []
  const duplicates: Array<string> = []
  list.forEach((option, index) => {
    if (typeof option !== "object" || option === null) return problems.push(`entry ${index} is no object`)
    const { priority = 0, weight = 1 } = option
    const url = urlOf(option.url)
    const problem = typeof url === "string" ? url : problemOf(option)
    if (typeof url === "string" || problem !== undefined) return problems.push(`entry ${index} has ${problem}`)
    const key = url.href
    const label = labelOf(url)
    // the first entry counts
    if (entries.has(key)) return duplicates.push(label)
    return entries.set(key, { key, url, label, weight, priority })
  })
  return { entries: [...entries.values()], problems, duplicates }
}

/** What is wrong with the option, if anything is. The lists of a stream are not looked at. */
export const faultOfEndpoints = (option: unknown): string | undefined => {
  if (isStream(option)) return undefined
  if (!Array.isArray(option)) return `is of type ${typeof option}`
  if (option.length === 0) return "is empty"
  const { duplicates, problems } = decodeList(option as ReadonlyArray<EndpointOption>)
  if (problems.length > 0) return problems.join(", ")
  return duplicates.length === 0 ? undefined : `has ${duplicates.join(", ")} more than once`
}
