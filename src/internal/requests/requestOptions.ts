import { largestArray } from "../core/kinds.js"
import { maxIdSize } from "../core/requests/batch.js"
import { engineOptions } from "../options/engineOptions.js"
import { OptionChecks, type Problem } from "../options/optionChecks.js"
import { checkedBy, fromTable } from "../options/optionConfig.js"
import {
  count,
  decode,
  type Decoded,
  described,
  flag,
  hook,
  type Input,
  limit,
  nested,
  positive,
  required,
  row,
  withDefaults
} from "../options/optionTable.js"

const bytes = <const D extends string>(least: number, byDefault: number, description: D) =>
  row<number, number, "integer", D>(
    `a whole number of bytes from ${least} to ${largestArray}`,
    (value) => Number.isInteger(value) && value >= least && value <= largestArray ? value : undefined,
    byDefault,
    "integer",
    description
  )

const { acquireTimeout, checkTimeout, metrics, name, shutdownGrace } = engineOptions

export const requestOptions = {
  ...withDefaults({
    name,
    acquireTimeout: described(acquireTimeout, "How long a request waits for a stream"),
    shutdownGrace: described(shutdownGrace, "How long requests have when the pool closes"),
    metrics
  }, { name: "RequestPool", acquireTimeout: 30_000 }),
  checkTimeout,
  maxStreams: count(1, 4, "The maximum number of shared streams"),
  maxInFlight: count(1, 64, "The maximum number of requests in flight on a stream"),
  correlate: flag(true, "Whether messages begin with an id"),
  maxMessageSize: bytes(maxIdSize + 1, 1024 * 1024, "The maximum bytes of a message"),
  maxBatch: bytes(1, 64 * 1024, "The maximum bytes of a write; a larger message takes a stream of its own"),
  maxBuffered: bytes(0, 256 * 1024, "The maximum bytes of answers that wait for the consumer of a request"),
  maxWaiters: limit(1, 1_024, "How many requests may wait for a stream"),
  silenceTimeout: positive(15_000),
  keepAlive: nested({ ping: required(hook) })
}

export type RequestOptions = Input<typeof requestOptions>

export interface DecodedRequest {
  readonly problems: ReadonlyArray<Problem>
  readonly decoded: Decoded<typeof requestOptions>
}

export const decodeRequest = (options: RequestOptions): DecodedRequest => {
  const checks = new OptionChecks()
  const decoded = decode(requestOptions, options, checks)
  if (options.silenceTimeout !== undefined && options.keepAlive === undefined) {
    checks.refuse("silenceTimeout", options.silenceTimeout, "left out without keepAlive")
  }
  return { problems: checks.problems, decoded }
}

export const checked = checkedBy((options: RequestOptions) => decodeRequest(options).problems)

export const config = checked(fromTable(requestOptions, "stream"))
