/** What a table of options needs of `Config`. */
import * as Config from "effect/Config"
import * as EffectConfigError from "effect/ConfigError"
import * as Either from "effect/Either"

/** A `Config` of a record, or a record of `Config`s. */
export type Wrap<A> = Config.Config.Wrap<A>

export type ConfigError = EffectConfigError.ConfigError

/** The value of a text, or the problem with it. */
export type Parsed<A> = { readonly value: A } | { readonly problem: string }

export const text = (name: string): Config.Config<string> => Config.string(name)
export const integer = (name: string): Config.Config<number> => Config.integer(name)
export const flag = (name: string): Config.Config<boolean> => Config.boolean(name)
export const oneOf = (texts: ReadonlyArray<string>, name: string): Config.Config<string> =>
  Config.literal(...texts)(name)

export const described: <A>(config: Config.Config<A>, description: string) => Config.Config<A> = Config.withDescription

/** A text that a function reads. */
export const parsed = (name: string, parse: (text: string) => Parsed<unknown>): Config.Config<unknown> =>
  Config.mapOrFail(Config.string(name), (text) => {
    const result = parse(text)
    return "value" in result
      ? Either.right(result.value)
      : Either.left(EffectConfigError.InvalidData([], result.problem))
  })

/** Fails for values that do not go together, and names a key. */
export const checked = <A>(
  config: Config.Config<A>,
  problem: (value: A) => { readonly name: string; readonly message: string } | undefined
): Config.Config<A> =>
  Config.mapOrFail(config, (value) => {
    const found = problem(value)
    return found === undefined
      ? Either.right(value)
      : Either.left(EffectConfigError.InvalidData([found.name], found.message))
  })
