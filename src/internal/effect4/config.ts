/** What a table of options needs of `Config`. */
import * as Config from "effect/Config"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"

/** A `Config` of a record, or a record of `Config`s. */
export type Wrap<A> = Config.Wrap<A>

export type ConfigError = Config.ConfigError

/** The value of a text, or the problem with it. */
export type Parsed<A> = { readonly value: A } | { readonly problem: string }

export const text = (name: string): Config.Config<string> => Config.String(name)
export const integer = (name: string): Config.Config<number> => Config.Int(name)
export const flag = (name: string): Config.Config<boolean> => Config.Boolean(name)
export const oneOf = (texts: ReadonlyArray<string>, name: string): Config.Config<string> => Config.Literals(texts, name)

/** Effect 4 has no descriptions of configs. */
export const described = <A>(config: Config.Config<A>, _description: string): Config.Config<A> => config

const nothing = Schema.String.check(Schema.makeFilter(() => false))

/** Fails at a key, within all prefixes. */
const refused = (name: string, message: string): Config.Config<never> =>
  Config.orElse(Config.schema(nothing, name) as Config.Config<never>, ({ cause }) => {
    if (cause._tag !== "SchemaError" || cause.issue._tag !== "Pointer") return Config.fail(cause)
    const { path } = cause.issue
    return Config.fail(
      new Schema.SchemaError(new SchemaIssue.Pointer(path, new SchemaIssue.InvalidValue({ message })))
    )
  })

/** A text that a function reads. */
export const parsed = (name: string, parse: (text: string) => Parsed<unknown>): Config.Config<unknown> =>
  Config.flatMap(text(name), (text): Config.Config<unknown> => {
    const result = parse(text)
    return "value" in result ? Config.succeed(result.value) : refused(name, result.problem)
  })

/** Fails for values that do not go together, and names a key. */
export const checked = <A>(
  config: Config.Config<A>,
  problem: (value: A) => { readonly name: string; readonly message: string } | undefined
): Config.Config<A> =>
  Config.flatMap(config, (value) => {
    const found = problem(value)
    return found === undefined ? Config.succeed(value) : refused(found.name, found.message)
  })
