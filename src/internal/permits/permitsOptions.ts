import { OptionChecks, type Problem } from "../options/optionChecks.js"
import { checkedBy, fromTable } from "../options/optionConfig.js"
import { count, decode, type Decoded, duration, type Input, required, row, text } from "../options/optionTable.js"

const isRedisUrl = (url: string): boolean => {
  try {
    return /^rediss?:$/.test(new URL(url).protocol)
  } catch {
    return false
  }
}

const url = {
  ...row(
    `a URL such as "redis://localhost:6379", or "rediss:" for TLS`,
    (url: string) => isRedisUrl(url) ? url : undefined,
    undefined as string | undefined,
    "text" as const,
    "Where Redis is"
  ),
  // it may have a password
  fault: (given: unknown) => `was of type ${typeof given}`
}

const key = row(
  "a name without braces",
  (key: string) => typeof key === "string" && /^[^{}]+$/.test(key) ? key : undefined,
  undefined as string | undefined,
  "text" as const,
  "The name of the limit: all processes with the same key share it"
)

export const permitsOptions = {
  name: text("RedisPermits", "For logs"),
  url: required(url),
  key: required(key),
  limit: required(count(1, 1, "The maximum number of permits of all processes together")),
  timeToLive: duration(30_000, "How long the permits of a process last that Redis does not hear of"),
  closeTimeout: duration(5_000, "How long the item of a permit may take to close")
}

export type PermitsOptions = Input<typeof permitsOptions>
export type PermitsSettings = Decoded<typeof permitsOptions>

export const decodePermits = (
  options: PermitsOptions
): { readonly decoded: PermitsSettings; readonly problems: ReadonlyArray<Problem> } => {
  const checks = new OptionChecks()
  const decoded = decode(permitsOptions, options, checks)
  const { closeTimeout, timeToLive } = decoded
  if (timeToLive <= 3 * closeTimeout || timeToLive === Infinity) {
    checks.refuse("timeToLive", options.timeToLive, `finite, and more than 3 times closeTimeout (${closeTimeout}ms)`)
  }
  return { decoded, problems: checks.problems }
}

export const checked = checkedBy((options: PermitsOptions) => decodePermits(options).problems)

export const config = checked(fromTable(permitsOptions, "permit"))
