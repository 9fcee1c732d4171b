/** The options of a pool by key: those of a waiting pool, as values or as functions of the key, and the limits over all keys. */
import { describeFailure } from "../observe/describeFailure.js"
import {
  decodeEngine,
  type EngineOptions,
  engineOptions,
  type EngineSettings,
  engineSettings
} from "../options/engineOptions.js"
import { formatProblems, OptionChecks, type Problem, wrongAnswer } from "../options/optionChecks.js"
import { decode, type Decoded, duration, hook, limit, required, text } from "../options/optionTable.js"
import type { ForAll, KeyedOptions, PerKey } from "./contract.js"

const { createConcurrency, histograms, leakThreshold, metrics, permit, shutdownGrace } = engineOptions

const wholeOptions = {
  name: text("KeyedPool"),
  acquire: required(hook),
  maxTotal: limit(1, Infinity),
  maxKeys: limit(1, Infinity),
  keyTimeToLive: duration(60_000),
  permit,
  createConcurrency,
  shutdownGrace,
  leakThreshold,
  histograms,
  metrics
}

const perKey: Readonly<Record<PerKey, true>> = {
  minSize: true,
  maxSize: true,
  minIdle: true,
  order: true,
  acquireTimeout: true,
  maxWaiters: true,
  validateAfterIdle: true,
  checkTimeout: true,
  idleTimeToLive: true,
  maxLifetime: true,
  maxUses: true,
  createBackoff: true,
  createTimeout: true,
  closeTimeout: true,
  overlap: true,
  retireGrace: true,
  exhaustedThreshold: true
}

type AnyOptions = KeyedOptions<any, any, any, any>

type OfKey = (key: unknown) => unknown

export interface KeyedSettings extends Decoded<Omit<typeof wholeOptions, "acquire">> {
  /** Those of each key, if no option is a function of the key. */
  readonly settings: EngineSettings
  /** Throws if a function of the key returns what makes no sense. */
  readonly settingsOf: (key: unknown) => EngineSettings
}

/** The engine's options of each key, as far as they are the same for all. `values`: what the functions of the key returned. */
const engineOf = (options: AnyOptions, values: object): EngineOptions => {
  const { acquire: _, keyTimeToLive: __, maxKeys: ___, maxTotal: ____, ...given } = options
  // the figures of a key are in no metric
  return { ...given, ...values, metrics: undefined } as EngineOptions
}

const settingsFor = (options: AnyOptions, values: object, whole: Pick<KeyedSettings, ForAll>) => {
  const { decoded, problems } = decodeEngine(engineOf(options, values))
  return { problems, settings: engineSettings({ ...decoded, name: whole.name, metrics: false }) }
}

export const decodeKeyed = (
  options: AnyOptions
): { readonly decoded: KeyedSettings; readonly problems: ReadonlyArray<Problem> } => {
  const checks = new OptionChecks()
  const whole = decode(wholeOptions, options, checks)
  if (options.histograms === true && options.metrics === false) {
    checks.refuse("histograms", true, "left out if metrics is false")
  }
  if (typeof options.validateAfterIdle === "function" && options.validate === undefined) {
    checks.refuse("validateAfterIdle", options.validateAfterIdle, "left out without validate")
  }
  for (const option of ["minSize", "minIdle"] as const) {
    const value = options[option]
    if (typeof value === "number" && value > whole.maxTotal) {
      checks.refuse(option, value, `at most maxTotal (${whole.maxTotal})`)
    }
  }
  const functions = Object.entries(options).filter(([option, value]) =>
    Object.hasOwn(perKey, option) && typeof value === "function"
  ) as Array<[PerKey, OfKey]>
  // the functions are asked with each key
  const unknown = Object.fromEntries(functions.map(([option]) => [option, undefined]))
  const { problems, settings } = settingsFor(options, unknown, whole)
  const known = checks.problems.map(({ option }) => option)
  return {
    problems: [
      ...checks.problems,
      // a value may be right together with the result of a function
      ...problems.filter(({ option }) => !known.includes(option) && (functions.length === 0 || !isSize(option)))
    ],
    decoded: {
      ...whole,
      settings,
      settingsOf: (key) => {
        if (functions.length === 0) return settings
        const values = Object.fromEntries(functions.map(([option, of]) => [option, ask(whole.name, option, of, key)]))
        const own = settingsFor(options, values, whole)
        if (own.problems.length > 0) throw new RangeError(`[${whole.name}] ${formatProblems(own.problems)}`)
        return own.settings
      }
    }
  }
}

const ask = (pool: string, option: PerKey, of: OfKey, key: unknown): unknown => {
  let answer: unknown
  try {
    answer = of(key)
  } catch (cause) {
    throw new Error(`[${pool}] ${option} threw: ${describeFailure(cause)}`, { cause })
  }
  // left out, an option would have its default
  if (answer === undefined) throw wrongAnswer(pool, option, engineOptions[option].rule, answer)
  return answer
}

const isSize = (option: string): boolean => option === "minSize" || option === "minIdle"
