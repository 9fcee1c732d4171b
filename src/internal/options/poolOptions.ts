import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type * as ResourcePool from "../../ResourcePool.js"
import type { MachineOptions } from "../core/pool/poolMachine.js"

/** An option that makes no sense. */
export interface Problem {
  readonly option: string
  readonly message: string
}

const show = (value: unknown): string => {
  if (typeof value === "string") return JSON.stringify(value)
  if (Duration.isDuration(value)) return Duration.format(value)
  if (typeof value === "object" && value !== null) return JSON.stringify(value)
  return String(value)
}

export const failures = (problems: ReadonlyArray<Problem>): string =>
  problems.map((problem) => problem.message).join("; ")

/** The rule for all that takes time. */
export const aDuration = `a duration of zero or more, such as "30 seconds" or 500 (ms)`

/** Checks one option after the other, and keeps what is wrong with them. */
export class Reader {
  readonly problems: Array<Problem> = []

  refuse(option: string, value: unknown, rule: string): void {
    this.problems.push({ option, message: `${option} must be ${rule}, but was ${show(value)}` })
  }

  count(
    option: string,
    value: number | undefined,
    least: number,
    byDefault: number,
    mayBeInfinite = byDefault === Infinity
  ): number {
    if (value === undefined) return byDefault
    const whole = Number.isSafeInteger(value) || (value === Infinity && mayBeInfinite)
    if (whole && value >= least) return value
    this.refuse(option, value, `a whole number of ${least} or more`)
    return byDefault
  }

  /** Milliseconds. Effect's own decoding turns NaN and negative numbers into zero. */
  duration(option: string, value: Duration.DurationInput | undefined, byDefault: number): number {
    if (value === undefined) return byDefault
    const numbers = Array.isArray(value) ? value : [value]
    const decoded = Duration.decodeUnknown(value)
    const bad = numbers.some((n) => (typeof n === "number" || typeof n === "bigint") && !(n >= 0)) ||
      (typeof value === "string" && value.trimStart().startsWith("-"))
    if (bad || Option.isNone(decoded)) {
      this.refuse(option, value, aDuration)
      return byDefault
    }
    return Duration.toMillis(decoded.value)
  }

  flag(option: string, value: boolean | undefined, byDefault: boolean): boolean {
    if (value === undefined || typeof value === "boolean") return value ?? byDefault
    this.refuse(option, value, "true or false")
    return byDefault
  }

  /** Options within an option. */
  record<A extends object>(option: string, value: A | undefined): A | undefined {
    if (value === undefined || (typeof value === "object" && value !== null && !Array.isArray(value))) return value
    this.refuse(option, value, "an object")
    return undefined
  }

  ratio(option: string, value: number | undefined, least: number, most: number, byDefault: number): number {
    if (value === undefined) return byDefault
    if (typeof value === "number" && value >= least && value <= most && value < Infinity) return value
    this.refuse(
      option,
      value,
      most === Infinity ? `a number of ${least} or more` : `a number from ${least} to ${most}`
    )
    return byDefault
  }
}

/** For the options that are not the engine's. */
export const checkDuration = (
  option: string,
  value: Duration.DurationInput | undefined
): ReadonlyArray<Problem> => {
  const read = new Reader()
  read.duration(option, value, 0)
  return read.problems
}

/** An option may be left out by leaving it undefined. */
type Input = {
  readonly [K in keyof Omit<ResourcePool.Options<any, any, any>, "acquire">]?:
    | Omit<ResourcePool.Options<any, any, any>, "acquire">[K]
    | undefined
}

export interface Decoded {
  readonly problems: ReadonlyArray<Problem>
  readonly machine: Omit<MachineOptions, "rideOut">
  /** Milliseconds, where it is no function. */
  readonly rideOut: number
  readonly concurrency: (item: any) => number
}

export const isConcurrency = (n: number): boolean => Number.isInteger(n) && n >= 1

/** Checks every option and fills in the defaults. The result is to be used only when there is no problem. */
export const decode = (options: Input): Decoded => {
  const read = new Reader()
  const { concurrency } = options
  const createBackoff = read.record("createBackoff", options.createBackoff)
  const keepAlive = read.record("keepAlive", options.keepAlive)
  const minSize = read.count("minSize", options.minSize, 0, 0)
  const maxSize = read.count("maxSize", options.maxSize, 1, 10)
  const minIdle = read.count("minIdle", options.minIdle, 0, 0)
  if (minSize > maxSize) read.refuse("minSize", minSize, `at most maxSize (${show(maxSize)})`)
  if (minIdle > maxSize) read.refuse("minIdle", minIdle, `at most maxSize (${show(maxSize)})`)
  if (concurrency !== undefined && typeof concurrency !== "function" && !isConcurrency(concurrency)) {
    read.refuse("concurrency", concurrency, "a whole number of 1 or more")
  }
  if (options.order !== undefined && options.order !== "lifo" && options.order !== "fifo") {
    read.refuse("order", options.order, `"lifo" or "fifo"`)
  }
  if (options.validateAfterIdle !== undefined && options.validate === undefined) {
    read.refuse("validateAfterIdle", options.validateAfterIdle, "left out where there is no validate")
  }
  if (keepAlive !== undefined && typeof keepAlive.ping !== "function") {
    read.refuse("keepAlive.ping", keepAlive.ping, "a function")
  }
  read.flag("histograms", options.histograms, false)
  read.flag("metrics", options.metrics, true)
  const { rideOut } = options
  if (options.histograms === true && options.metrics === false) {
    read.refuse("histograms", true, "left out where metrics is false")
  }
  const pingInterval = read.duration("keepAlive.interval", keepAlive?.interval, Infinity)
  if (pingInterval < 1) {
    read.refuse("keepAlive.interval", keepAlive?.interval, `a duration of 1 ms or more, such as "15 seconds"`)
  }
  const initial = read.duration("createBackoff.initial", createBackoff?.initial, 10)
  const max = read.duration("createBackoff.max", createBackoff?.max, 5_000)
  if (createBackoff?.initial !== undefined && initial > max) {
    read.refuse(
      "createBackoff.initial",
      createBackoff.initial,
      `at most createBackoff.max (${Duration.format(Duration.millis(max))})`
    )
  }
  return {
    problems: read.problems,
    rideOut: typeof rideOut === "function" ? 0 : read.duration("rideOut", rideOut, 2_000),
    concurrency: typeof concurrency === "function" ? concurrency : () => concurrency ?? 1,
    machine: {
      minSize,
      maxSize,
      minIdle,
      order: options.order ?? "lifo",
      expectedConcurrency: typeof concurrency === "number" ? concurrency : 1,
      acquireTimeout: read.duration("acquireTimeout", options.acquireTimeout, Infinity),
      maxWaiters: read.count("maxWaiters", options.maxWaiters, 0, Infinity),
      createConcurrency: read.count("createConcurrency", options.createConcurrency, 1, 8),
      createTimeout: read.duration("createTimeout", options.createTimeout, 30_000),
      checkTimeout: read.duration("checkTimeout", options.checkTimeout, 5_000),
      closeTimeout: read.duration("closeTimeout", options.closeTimeout, 5_000),
      validateAfterIdle: options.validate === undefined
        ? Infinity
        : read.duration("validateAfterIdle", options.validateAfterIdle, 1_000),
      pingInterval,
      idleTimeToLive: read.duration("idleTimeToLive", options.idleTimeToLive, Infinity),
      maxLifetime: read.duration("maxLifetime", options.maxLifetime, Infinity),
      maxUses: read.count("maxUses", options.maxUses, 1, Infinity),
      overlap: read.flag("overlap", options.overlap, false),
      retireGrace: read.duration("retireGrace", options.retireGrace, 30_000),
      exhaustedThreshold: read.duration("exhaustedThreshold", options.exhaustedThreshold, 10_000),
      leakThreshold: read.duration("leakThreshold", options.leakThreshold, Infinity),
      shutdownGrace: read.duration("shutdownGrace", options.shutdownGrace, 5_000),
      backoff: {
        initial,
        max,
        factor: read.ratio("createBackoff.factor", createBackoff?.factor, 1, Infinity, 2),
        jitter: read.ratio("createBackoff.jitter", createBackoff?.jitter, 0, 1, 0.1)
      }
    }
  }
}

type Named = readonly [option: string, value: number | undefined]

/** How many idle ones a recycling pool keeps; 0 at most is sensible, too. */
export const readSizes = (read: Reader, min: Named, max: Named, maxByDefault: number) => {
  const minSize = read.count(...min, 0, 0)
  const maxSize = read.count(...max, 0, maxByDefault)
  if (minSize > maxSize) read.refuse(min[0], minSize, `at most ${max[0]} (${show(maxSize)})`)
  return { minSize, maxSize }
}
