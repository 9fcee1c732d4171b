/** What the configurations of pools share. */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import type { Problem } from "./poolOptions.js"

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

export const described = <A>(config: Config.Config<A>, description: string, byDefault: NoInfer<A>): Config.Config<A> =>
  config.pipe(Config.withDescription(description), Config.withDefault(byDefault))
