/** What the configurations of pools share. */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { aDuration, type Problem } from "./poolOptions.js"

const key = (option: string): string => option.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()

/** Fails for the first option that makes no sense, and names its key. */
export const checkedBy =
  <A>(problems: (options: A) => ReadonlyArray<Problem>) => (config: Config.Config<A>): Config.Config<A> =>
    Config.mapOrFail(config, (options) => {
      const problem = problems(options)[0]
      return problem === undefined
        ? Either.right(options)
        : Either.left(ConfigError.InvalidData([key(problem.option)], problem.message))
    })

const isInfinity = (text: string): boolean => text.trim().toLowerCase() === "infinity"

/** How many, where there may be no limit. */
export const countOrInfinity = (name: string): Config.Config<number> =>
  Config.mapOrFail(Config.string(name), (text) => {
    if (isInfinity(text)) return Either.right(Infinity)
    const count = text.trim() === "" ? NaN : Number(text)
    return Number.isSafeInteger(count)
      ? Either.right(count)
      : Either.left(
        ConfigError.InvalidData([], `expected a whole number or "infinity", but was ${JSON.stringify(text)}`)
      )
  })

/** A duration of zero or more: Effect's own makes zero of a negative one. */
export const duration = (name: string): Config.Config<Duration.Duration> =>
  Config.mapOrFail(Config.string(name), (text) => {
    if (isInfinity(text)) return Either.right(Duration.infinity)
    const decoded = text.trimStart().startsWith("-") ? Option.none() : Duration.decodeUnknown(text.trim())
    return Either.fromOption(
      decoded,
      () => ConfigError.InvalidData([], `expected ${aDuration}, but was ${JSON.stringify(text)}`)
    )
  })

export const described = <A>(config: Config.Config<A>, description: string, byDefault: NoInfer<A>): Config.Config<A> =>
  config.pipe(Config.withDescription(description), Config.withDefault(byDefault))
