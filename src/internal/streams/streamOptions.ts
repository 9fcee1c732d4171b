import { checkTogether, engineOptions } from "../options/engineOptions.js"
import { OptionChecks, type Problem } from "../options/optionChecks.js"
import { checkedBy, fromTable } from "../options/optionConfig.js"
import {
  decode,
  type Decoded,
  described,
  duration,
  flag,
  type Input,
  limit,
  positive,
  value,
  withDefaults,
  without
} from "../options/optionTable.js"

/** Defaults of a stream pool that differ from the engine's. */
const presets = {
  name: "StreamPool",
  maxSize: 100,
  acquireTimeout: 30_000,
  // short: a refusal by a session costs nothing, a session pool has its own backoff, and later borrowers should not wait
  // for an old failure
  createBackoff: { ...engineOptions.createBackoff.byDefault, initial: 1, max: 100 }
}

/** The engine's options that a stream pool takes. The nature of streams decides the others. */
const streamEngine = withDefaults({
  ...without(engineOptions, [
    "acquire",
    "concurrency",
    "rideOut",
    "permit",
    "lost",
    "retire",
    "createTimeout",
    "closeTimeout",
    "overlap",
    "retireGrace"
  ]),
  idleTimeToLive: described(engineOptions.idleTimeToLive, "When an unused stream is ended")
}, presets)

export const streamOptions = {
  ...streamEngine,
  maxStreamsPerSession: limit(1, 100, "The maximum number of concurrent streams per session"),
  maxStreamsOpened: limit(1, 500, "After how many streams a session is replaced"),
  openTimeout: positive(1_000, "After how long without a stream a session counts as full"),
  clientSpeaksFirst: flag(true, "Whether the peer only answers"),
  quarantine: duration(0, "How long the pool watches a returned stream before it lends it again"),
  suspectAfter: limit(1, 2, "After how many missing answers a session is replaced"),
  sendOrder: value<number>("a number", (value) => typeof value === "number")
}

export type StreamOptions = Input<typeof streamOptions>

export interface DecodedStream {
  readonly problems: ReadonlyArray<Problem>
  readonly decoded: Decoded<typeof streamOptions>
}

export const decodeStream = (options: StreamOptions): DecodedStream => {
  const checks = new OptionChecks()
  const decoded = decode(streamOptions, options, checks)
  checkTogether(options, decoded, checks)
  const { checkTimeout, quarantine } = decoded
  if (quarantine >= checkTimeout) {
    checks.refuse("quarantine", options.quarantine, `below checkTimeout (${checkTimeout}ms)`)
  }
  return { problems: checks.problems, decoded }
}

export const checked = checkedBy((options: StreamOptions) => decodeStream(options).problems)

export const config = checked(fromTable(streamOptions, "stream"))
