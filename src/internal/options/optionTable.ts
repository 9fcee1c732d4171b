/**
 * The options of a pool as a table. Each row has the rule of the option, its default, and, if a `Config` may provide it, its
 * description. The types of the options, their decoding and the `Config` follow from the table.
 */
import { decodeDuration, type DurationInput } from "#effect/duration"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { OptionChecks, type Problem } from "./optionChecks.js"

/**
 * `I` is the user's type, `O` the decoded type; times are decoded to milliseconds. `S` tells how to read the option from
 * text. An option is a key of the `Config` if it has a description, `D`.
 */
export interface Row<I, O, S, D> {
  /** The text after "must be" in a problem. */
  readonly rule: string
  readonly isRequired: boolean
  readonly byDefault: O
  readonly source: S
  readonly description: D
  /** The text after "but" in a problem, in place of the value, if the value may be secret. */
  readonly fault?: (value: unknown) => string
  /** Returns `undefined` for a value that breaks the rule. */
  decode(value: I, option: string, checks: OptionChecks): O | undefined
}

type AnyRow = Row<any, any, any, any>

export type Table = Readonly<Record<string, AnyRow>>

export interface Required {
  readonly isRequired: true
}

type InputOf<R> = R extends Row<infer I, any, any, any> ? I : never

type RequiredKeys<T> = { [K in keyof T]: T[K] extends Required ? K : never }[keyof T]

/** The user's type of the options. */
export type Input<T> =
  & { readonly [K in RequiredKeys<T>]: InputOf<T[K]> }
  & { readonly [K in Exclude<keyof T, RequiredKeys<T>>]?: InputOf<T[K]> | undefined }

/** The decoded type of the options. */
export type Decoded<T> = { readonly [K in keyof T]: T[K] extends Row<any, infer O, any, any> ? O : never }

export type Hook = (...args: ReadonlyArray<any>) => any

// -----------------------------------------------------------------------------
// Rows
// -----------------------------------------------------------------------------

export const row = <I, O, S, D>(
  rule: string,
  decode: Row<I, O, S, D>["decode"],
  byDefault: O,
  source: S,
  description: D
): Row<I, O, S, D> => ({ rule, decode, byDefault, source, description, isRequired: false })

/** A value that passes a test. */
export const value = <A, O extends A | undefined = A | undefined>(
  rule: string,
  isValid: (value: A) => boolean,
  byDefault?: O
): Row<A, O, undefined, undefined> =>
  row(rule, (value: A) => isValid(value) ? value as O : undefined, byDefault as O, undefined, undefined)

type Text = string | undefined

const counting = (least: number, max: number) => (value: number): number | undefined =>
  (Number.isSafeInteger(value) || value === Infinity) && value >= least && value <= max ? value : undefined

const atLeast = (least: number): string => `a whole number of ${least} or more`

export const count = <D extends Text = undefined>(
  least: number,
  byDefault: number,
  description?: D
): Row<number, number, "integer", D> =>
  row(atLeast(least), counting(least, Number.MAX_SAFE_INTEGER), byDefault, "integer", description as D)

/** A count; `Infinity` means no limit. */
export const limit = <O extends number | undefined, D extends Text = undefined>(
  least: number,
  byDefault: O,
  description?: D
): Row<number, number | O, "limit", D> =>
  row<number, number | O, "limit", D>(
    atLeast(least),
    counting(least, Infinity),
    byDefault,
    "limit",
    description as D
  )

const parseDuration = (least: number) => (value: DurationInput): number | undefined => {
  // Effect's own decoding turns NaN and negative numbers into zero
  const numbers = Array.isArray(value) ? value : [value]
  const isNegative = numbers.some((n) => (typeof n === "number" || typeof n === "bigint") && !(n >= 0)) ||
    (typeof value === "string" && value.trimStart().startsWith("-"))
  const decoded = isNegative ? Option.none() : Option.map(decodeDuration(value), Duration.toMillis)
  return Option.isSome(decoded) && decoded.value >= least ? decoded.value : undefined
}

export const duration = <O extends number | undefined, D extends Text = undefined>(
  byDefault: O,
  description?: D
): Row<DurationInput, number | O, "duration", D> =>
  row<DurationInput, number | O, "duration", D>(
    `a duration of zero or more, such as "30 seconds" or 500 (ms)`,
    parseDuration(0),
    byDefault,
    "duration",
    description as D
  )

/** A duration with which nothing works if it is zero, such as the interval of a repeated action. */
export const positive = <O extends number | undefined, D extends Text = undefined>(
  byDefault: O,
  description?: D
): Row<DurationInput, number | O, "duration", D> => ({
  ...duration(byDefault, description),
  rule: `a duration of 1 ms or more, such as "15 seconds"`,
  decode: parseDuration(1)
})

export const flag = <D extends Text = undefined>(
  byDefault: boolean,
  description?: D
): Row<boolean, boolean, "flag", D> =>
  row(
    "true or false",
    (value: boolean) => typeof value === "boolean" ? value : undefined,
    byDefault,
    "flag",
    description as D
  )

export const text = <D extends Text = undefined>(byDefault: string, description?: D): Row<string, string, "text", D> =>
  row("a string", (value: string) => typeof value === "string" ? value : undefined, byDefault, "text", description as D)

export const oneOf = <const A extends string, D extends Text = undefined>(
  values: readonly [A, ...ReadonlyArray<A>],
  description?: D
): Row<A, A, ReadonlyArray<A>, D> =>
  row(
    values.map((value) => JSON.stringify(value)).join(" or "),
    (value: A) => values.includes(value) ? value : undefined,
    values[0],
    values,
    description as D
  )

export const ratio = (least: number, max: number, byDefault: number): Row<number, number, undefined, undefined> =>
  value(
    max === Infinity ? `a number of ${least} or more` : `a number from ${least} to ${max}`,
    (value: number) => typeof value === "number" && value >= least && value <= max && value < Infinity,
    byDefault
  )

/** A function of the user. */
export const hook = /* @__PURE__ */ value<Hook>("a function", (value) => typeof value === "function")

/** The option as a value, or as a function that returns it. */
export const orHook = <I, O, S, D>(row: Row<I, O, S, D>): Row<I | Hook, O | Hook, S, D> => ({
  ...row,
  decode: (value, option, checks) =>
    typeof value === "function" ? value as Hook : row.decode(value as I, option, checks)
})

const nestedRow = <T extends Table, O>(
  table: T,
  byDefault: O
): Row<Input<T>, Decoded<T> | O, undefined, undefined> =>
  row<Input<T>, Decoded<T> | O, undefined, undefined>(
    "an object",
    (value, option, checks) =>
      typeof value === "object" && value !== null && !Array.isArray(value)
        ? decode(table, value, checks, `${option}.`)
        : undefined,
    byDefault,
    undefined,
    undefined
  )

/** A group of options that may be left out as a whole. */
export const nested = <T extends Table>(table: T) => nestedRow(table, undefined)

/** A group of options, with a default for each. */
export const group = <T extends Table>(table: T) =>
  nestedRow(
    table,
    Object.fromEntries(Object.entries(table).map(([option, { byDefault }]) => [option, byDefault])) as Decoded<T>
  )

/** An option that must not be left out. */
export const required = <I, O, S, D>(row: Row<I, O, S, D>): Row<I, Exclude<O, undefined>, S, D> & Required => ({
  ...row as Row<I, Exclude<O, undefined>, S, D>,
  isRequired: true
})

export const described = <I, O, S, D extends string>(
  row: Row<I, O, S, unknown>,
  description: D
): Row<I, O, S, D> => ({ ...row, description })

// -----------------------------------------------------------------------------
// Tables
// -----------------------------------------------------------------------------

/** The same options with other defaults. (`T` is no `Table`: rows that are written in place would take their types of it.) */
export const withDefaults = <T extends object>(table: T, defaults: Partial<Decoded<T>>): T => {
  const changed = Object.entries(defaults).map(([option, byDefault]) => [
    option,
    { ...table[option as keyof T], byDefault }
  ])
  return { ...table, ...Object.fromEntries(changed) }
}

export const without = <T extends Table, const K extends keyof T>(table: T, options: ReadonlyArray<K>): Omit<T, K> =>
  Object.fromEntries(Object.entries(table).filter(([option]) => !options.includes(option as K))) as Omit<T, K>

/** Decodes an option. An invalid value becomes a problem in `checks`, and the default replaces it. */
export const read = <I, O>(row: Row<I, O, any, any>, value: I | undefined, option: string, checks: OptionChecks): O => {
  if (value === undefined && !row.isRequired) return row.byDefault
  const decoded = row.decode(value as I, option, checks)
  if (decoded !== undefined) return decoded
  checks.refuse(option, value, row.rule, row.fault?.(value))
  return row.byDefault
}

export interface DecodedOne<O> {
  readonly decoded: O
  readonly problems: ReadonlyArray<Problem>
}

/** Decodes an argument of a call by the rule of an option. */
export const decodeOne = <I, O>(row: Row<I, O, any, any>, value: I | undefined, option: string): DecodedOne<O> => {
  const checks = new OptionChecks()
  return { decoded: read(row, value, option, checks), problems: checks.problems }
}

/** Decodes the options of a call. Use the result only if there are no problems. */
export const decodeAll = <T extends Table>(table: T, options: Input<T>): DecodedOne<Decoded<T>> => {
  const checks = new OptionChecks()
  return { decoded: decode(table, options, checks), problems: checks.problems }
}

/** Checks every option and fills in the defaults. Use the result only if there are no problems. */
export const decode = <T extends Table>(
  table: T,
  options: Input<T>,
  checks: OptionChecks,
  prefix = ""
): Decoded<T> => {
  const given = options as Readonly<Record<string, unknown>>
  return Object.fromEntries(
    Object.entries(table).map(([option, row]) => [option, read(row, given[option], prefix + option, checks)])
  ) as Decoded<T>
}

/** Checks that an option is at most another option. */
export const checkAtMost = <const K extends string>(
  decoded: { readonly [P in K]: number },
  option: K,
  max: K,
  checks: OptionChecks
): void => {
  if (decoded[option] > decoded[max]) checks.refuse(option, decoded[option], `at most ${max} (${decoded[max]})`)
}
