import type { Parsed } from "#effect/config"
import type { DurationInput } from "#effect/duration"
import { decodeHex } from "#effect/encoding"
import { match } from "#effect/result"
import * as Effect from "effect/Effect"
import { connectOptions } from "../options/connectOptions.js"
import { checkTogether, engineOptions } from "../options/engineOptions.js"
import { OptionChecks, type Problem } from "../options/optionChecks.js"
import { checkedBy, fromTable } from "../options/optionConfig.js"
import {
  decode,
  type Decoded,
  described,
  duration,
  group,
  hook,
  type Input,
  limit,
  oneOf,
  positive,
  type Row,
  value,
  withDefaults,
  without
} from "../options/optionTable.js"
import { parseUrl } from "../transport/connect.js"
import { type EndpointsOption, faultOfEndpoints } from "./endpointList.js"

type Url = string | URL

/** Why the URL is invalid. Shows no more of it than its scheme. */
const faultOf = (url: unknown): string | undefined =>
  match(parseUrl(url as Url), { onSuccess: () => undefined, onFailure: (error) => error.detail })

const url: Row<Url | Effect.Effect<Url, any, any>, unknown, "text", string> = {
  rule: "an absolute https: URL without a fragment",
  isRequired: false,
  byDefault: undefined,
  source: "text",
  description: "Where to connect; https only",
  fault: (url) => faultOf(url)!,
  decode: (url) => Effect.isEffect(url) || faultOf(url) === undefined ? url : undefined
}

const endpoints: Row<EndpointsOption<any>, EndpointsOption<any> | undefined, undefined, undefined> = {
  ...value<EndpointsOption<any>>(
    "an array of endpoints { url, weight?, priority? }, each once, or a Stream of such arrays",
    (option) => faultOfEndpoints(option) === undefined
  ),
  fault: (option) => faultOfEndpoints(option)!
}

/** How a pool with several endpoints chooses among them. */
export const endpointOptions = {
  endpoints,
  balance: oneOf(["even", "ordered"], "How sessions spread over several endpoints: evenly, or to the first one"),
  attemptDelay: {
    ...duration(250),
    rule: "a duration from 100 ms to 2 seconds (RFC 8305)",
    decode: (input: DurationInput, option: string, checks: OptionChecks): number | undefined => {
      const millis = duration(250).decode(input, option, checks)
      return millis !== undefined && millis >= 100 && millis <= 2_000 ? millis : undefined
    }
  },
  consecutiveFailures: limit(1, 5),
  baseEjectionTime: duration(30_000),
  maxEjectionTime: duration(300_000),
  failbackAfter: duration(30_000)
}

const parseUrls = (text: string): Parsed<ReadonlyArray<string>> => {
  const urls = text.split(",").map((part) => part.trim()).filter((part) => part !== "")
  const fault = faultOfEndpoints(urls.map((url) => ({ url })))
  return fault === undefined ? { value: urls } : { problem: `expected URLs, comma-separated, but the list ${fault}` }
}

const parseHashes = (text: string): Parsed<ReadonlyArray<Uint8Array>> => {
  const parts = text.split(",").map((part) => part.trim()).filter((part) => part !== "")
  const hashes = parts.map((part) => decodeHex(part.replaceAll(":", "")))
  const bad = hashes.findIndex((hash) => hash?.length !== 32)
  return bad < 0
    ? { value: hashes as ReadonlyArray<Uint8Array> }
    : { problem: `a SHA-256 hash has 64 hexadecimal digits; ${JSON.stringify(parts[bad])} is not one` }
}

/** Defaults of a session pool that differ from the engine's. */
const presets = { name: "SessionPool", acquireTimeout: 30_000, overlap: true }

/** The engine's options that a session pool takes. It creates and ends sessions itself. */
const sessionEngine = withDefaults({
  ...without(engineOptions, ["acquire", "lost", "retire"]),
  concurrency: described(engineOptions.concurrency, "Borrowers per session"),
  rideOut: described(engineOptions.rideOut, "How long connects must fail before borrowers fail"),
  createConcurrency: described(engineOptions.createConcurrency, "How many connect at the same time"),
  // default: 5 seconds more than the connect timeout
  createTimeout: positive(undefined),
  overlap: described(engineOptions.overlap, "Whether a replaced session that is still lent gives up its place"),
  retireGrace: described(engineOptions.retireGrace, "How long a borrower may keep a replaced session"),
  closeTimeout: described(engineOptions.closeTimeout, "How long a closing session may hold its place")
}, presets)

const common = {
  url,
  balance: endpointOptions.balance,
  ...sessionEngine,
  // each transport has its own default
  maxStreamsOpened: limit(1, undefined, "After how many streams a session is replaced")
}

export const sessionOptions = {
  ...common,
  ...endpointOptions,
  connect: group(connectOptions),
  onOpen: hook,
  onIncoming: hook,
  onDatagram: hook
}

/** The options that a `Config` can provide: all that have a description. */
export const configOptions = {
  ...common,
  urls: {
    ...value<ReadonlyArray<string | URL>, ReadonlyArray<string | URL> | undefined>(
      "a list of absolute https: URLs without a fragment, each once",
      (urls) => Array.isArray(urls) && faultOfEndpoints(urls.map((url) => ({ url }))) === undefined,
      undefined
    ),
    source: parseUrls,
    description: "Where to connect, in place of URL: several addresses, comma-separated"
  },
  connectTimeout: connectOptions.connectTimeout,
  certificateHashes: {
    ...value<ReadonlyArray<Uint8Array>, ReadonlyArray<Uint8Array>>("an array of Uint8Arrays", Array.isArray, []),
    source: parseHashes,
    description: "SHA-256 hashes of trusted certificates, hexadecimal, comma-separated"
  }
}

/** One address or several: exactly one of the two options. */
const checkAddress = <const K extends string>(
  options: { readonly url?: unknown } & { readonly [P in K]?: unknown },
  several: K,
  checks: OptionChecks
): void => {
  const others = options[several]
  if (options.url === undefined && others === undefined) {
    checks.refuse("url", undefined, `${url.rule}, or ${several} given instead`)
  }
  if (options.url !== undefined && others !== undefined) {
    checks.refuse(several, others, "left out with url", "both were given")
  }
}

export interface DecodedSession {
  readonly problems: ReadonlyArray<Problem>
  readonly decoded: Decoded<typeof sessionOptions>
}

export const decodeSession = (options: Input<typeof sessionOptions>): DecodedSession => {
  const checks = new OptionChecks()
  const decoded = decode(sessionOptions, options, checks)
  checkAddress(options, "endpoints", checks)
  checkTogether(options, decoded, checks)
  return { problems: checks.problems, decoded }
}

export const checked = checkedBy((options: Input<typeof configOptions>) => {
  const checks = new OptionChecks()
  checkAddress(options, "urls", checks)
  checkTogether(options, decode(configOptions, options, checks), checks)
  return checks.problems
})

export const config = checked(fromTable(configOptions, "session"))
