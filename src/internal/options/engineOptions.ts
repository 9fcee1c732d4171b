import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { PermitSource } from "../../ResourcePoolOptions.js"
import type { MachineOptions } from "../core/pool/poolMachine.js"
import { OptionChecks, type Problem } from "./optionChecks.js"
import {
  checkAtMost,
  count,
  decode,
  type Decoded,
  duration,
  flag,
  group,
  hook,
  type Input,
  interval,
  limit,
  nested,
  oneOf,
  orHook,
  ratio,
  required,
  text,
  value,
  without
} from "./optionTable.js"

const sizeOptions = {
  minSize: count(0, 0, "{Item}s to keep open"),
  maxSize: count(1, 10, "The maximum number of {item}s"),
  minIdle: count(0, 0, "Idle {item}s to keep ready")
}

export type Sizes = Input<typeof sizeOptions>

const concurrency = count(1, 1)

/** The options of a waiting pool. A `Config` has those with a description, in which `{item}` becomes a session or a stream. */
export const engineOptions = {
  name: text("ResourcePool", "The pool's name in logs, errors and stats"),
  acquire: required(value<Effect.Effect<any, any, any>>("an Effect", Effect.isEffect)),
  ...sizeOptions,
  concurrency: orHook(concurrency),
  order: oneOf(["lifo", "fifo"], "Which {item} the pool lends: the most recently used, or the longest idle"),
  acquireTimeout: duration(Infinity, "How long a borrower waits"),
  rideOut: orHook(duration(2_000)),
  maxWaiters: limit(0, Infinity, "How many borrowers may wait"),
  permit: value<PermitSource<any, any>>(
    "an Effect, or a function that returns one",
    (permit) => Effect.isEffect(permit) || typeof permit === "function"
  ),
  lost: hook,
  retire: hook,
  validate: hook,
  validateAfterIdle: duration(1_000),
  keepAlive: nested({ interval: required(interval(Infinity)), ping: required(hook) }),
  onRelease: hook,
  checkTimeout: duration(5_000),
  idleTimeToLive: duration(Infinity, "When an unused {item} is closed"),
  maxLifetime: duration(Infinity, "When a {item} is replaced"),
  maxUses: limit(1, Infinity, "After how many borrows a {item} is replaced"),
  createBackoff: group({
    initial: duration(10),
    factor: ratio(1, Infinity, 2),
    max: duration(5_000),
    jitter: ratio(0, 1, 0.3)
  }),
  createConcurrency: count(1, 8),
  createTimeout: duration(30_000),
  closeTimeout: duration(5_000),
  overlap: flag(false),
  retireGrace: duration(30_000),
  shutdownGrace: duration(5_000, "How long borrowers have when the pool closes"),
  exhaustedThreshold: duration(10_000),
  leakThreshold: duration(Infinity),
  histograms: flag(false, "Whether the pool measures waits, creations and borrows"),
  metrics: flag(true, "Whether the pool shows metrics")
}

export type EngineOptions = Input<typeof engineOptions>

/** All options except `acquire`: pools that are built on the engine create items in their own way. */
const settings = without(engineOptions, ["acquire"])

/** The result of a function `concurrency`. */
export const concurrencyAnswer = required(concurrency)

/** The result of a function `rideOut`. */
export const rideOutAnswer = required(duration(0))

type Settings = typeof settings

const checkSizes = (sizes: Decoded<typeof sizeOptions>, checks: OptionChecks): void => {
  checkAtMost(sizes, "minSize", "maxSize", checks)
  checkAtMost(sizes, "minIdle", "maxSize", checks)
}

/** Checks the sizes of a new or an existing pool. */
export const problemsOfSizes = (size: Input<typeof sizeOptions>): ReadonlyArray<Problem> => {
  const checks = new OptionChecks()
  checkSizes(decode(sizeOptions, size, checks), checks)
  return checks.problems
}

/** The options of a pool that is built on the engine: it leaves some out and adds others. */
type Part<T> = { readonly [K in keyof T]?: T[K] | undefined }

/** Checks valid options of the engine against each other. */
export const checkTogether = (
  options: Part<Input<Settings>>,
  { createBackoff, ...decoded }: Part<Decoded<Settings>> & Decoded<typeof sizeOptions>,
  checks: OptionChecks
): void => {
  checkSizes(decoded, checks)
  if (options.validateAfterIdle !== undefined && options.validate === undefined) {
    checks.refuse("validateAfterIdle", options.validateAfterIdle, "left out without validate")
  }
  if (options.histograms === true && options.metrics === false) {
    checks.refuse("histograms", true, "left out if metrics is false")
  }
  if (options.createBackoff?.initial !== undefined && createBackoff!.initial > createBackoff!.max) {
    checks.refuse(
      "createBackoff.initial",
      options.createBackoff.initial,
      `at most createBackoff.max (${Duration.format(Duration.millis(createBackoff!.max))})`
    )
  }
}

export interface DecodedEngine {
  readonly problems: ReadonlyArray<Problem>
  readonly decoded: Decoded<Settings>
}

/** Checks every option and fills in the defaults. Use the options only if there are no problems. */
export const decodeEngine = (
  options: Input<Settings> & { readonly acquire?: unknown }
): DecodedEngine => {
  const checks = new OptionChecks()
  const decoded = decode(settings, options, checks)
  // any, since the check itself decides whether it is an effect
  if ("acquire" in options) decode({ acquire: engineOptions.acquire }, { acquire: options.acquire as any }, checks)
  checkTogether(options, decoded, checks)
  return { problems: checks.problems, decoded }
}

/** What an engine needs to know of its pool's options. */
export interface EngineSettings
  extends Pick<Decoded<Settings>, "name" | "rideOut" | "histograms" | "metrics" | "permit">
{
  /** `rideOut` is 0 if it is a function. */
  readonly machine: MachineOptions
}

/** `options`: those of a pool, decoded. An option that the pool does not take has the engine's default. */
export const engineSettings = (options: Partial<Decoded<Settings>>): EngineSettings => {
  const all = { ...decode(settings, {}, new OptionChecks()), ...options }
  const { concurrency, createBackoff, histograms, keepAlive, metrics, name, permit, rideOut } = all
  const { validate, validateAfterIdle } = all
  return {
    name,
    rideOut,
    histograms,
    metrics,
    permit,
    machine: {
      ...all,
      expectedConcurrency: typeof concurrency === "function" ? 1 : concurrency,
      validateAfterIdle: validate === undefined ? Infinity : validateAfterIdle,
      pingInterval: keepAlive?.interval ?? Infinity,
      backoff: createBackoff,
      rideOut: () => typeof rideOut === "function" ? 0 : rideOut
    }
  }
}
