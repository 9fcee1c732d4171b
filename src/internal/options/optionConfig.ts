/** A table of options as a `Config`, whose keys are the names of the options: `MAX_SIZE` for `maxSize`. */
import { checked, described, flag, integer, oneOf, type Parsed, parsed, text } from "#effect/config"
import { decodeDuration } from "#effect/duration"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { Problem } from "./optionChecks.js"

/** The properties of an option that a `Config` needs. Defaults of durations are milliseconds. */
interface Row {
  readonly rule: string
  readonly isRequired: boolean
  readonly byDefault: unknown
  /** How to read the text: a word of `ValueOf`, the allowed texts, or a function. */
  readonly source: unknown
  /** An option without a description is not a key. `{item}` stands for the kind of item. */
  readonly description: string | undefined
}

type ValueOf<S> = S extends "text" ? string
  : S extends "integer" | "limit" ? number
  : S extends "duration" ? Duration.Duration
  : S extends "flag" ? boolean
  : S extends ReadonlyArray<infer A> ? A
  : S extends (text: string) => Parsed<infer A> ? A
  : never

type Keys<T> = { [K in keyof T]: T[K] extends { readonly description: string } ? K : never }[keyof T]

/** The options that have a description. */
export type Values<T> = {
  readonly [K in Keys<T>]: T[K] extends { readonly source: infer S; readonly byDefault: infer O }
    ? ValueOf<S> | Extract<O, undefined>
    : never
}

const key = (option: string): string => option.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()

const isInfinity = (text: string): boolean => text.trim().toLowerCase() === "infinity"

/** Reads a count; `infinity` means no limit. */
const parseLimit = (text: string): Parsed<number> => {
  if (isInfinity(text)) return { value: Infinity }
  const count = text.trim() === "" ? NaN : Number(text)
  return Number.isSafeInteger(count)
    ? { value: count }
    : { problem: `expected a whole number or "infinity", but was ${JSON.stringify(text)}` }
}

/** Effect's own decoding turns a negative duration into zero. */
const parseDuration = (rule: string) => (text: string): Parsed<Duration.Duration> => {
  if (isInfinity(text)) return { value: Duration.infinity }
  const decoded = text.trimStart().startsWith("-") ? Option.none() : decodeDuration(text.trim())
  return Option.isSome(decoded)
    ? { value: decoded.value }
    : { problem: `expected ${rule}, but was ${JSON.stringify(text)}` }
}

const sourceOf = (name: string, { rule, source }: Row): Config.Config<unknown> => {
  switch (source) {
    case "text":
      return text(name)
    case "integer":
      return integer(name)
    case "flag":
      return flag(name)
    case "limit":
      return parsed(name, parseLimit)
    case "duration":
      return parsed(name, parseDuration(rule))
  }
  return typeof source === "function"
    ? parsed(name, source as (text: string) => Parsed<unknown>)
    : oneOf(source as ReadonlyArray<string>, name)
}

const configOf = (option: string, row: Row, item: string): Config.Config<unknown> => {
  const description = row.description!
    .replace("{item}", item)
    .replace("{Item}", item.charAt(0).toUpperCase() + item.slice(1))
  const config = described(sourceOf(key(option), row), description)
  if (row.isRequired) return config
  const byDefault = row.source === "duration" ? Duration.millis(row.byDefault as number) : row.byDefault
  return Config.withDefault(config, byDefault)
}

/** Fails for the first invalid option, and names its key. */
export const checkedBy =
  <I>(problems: (options: I) => ReadonlyArray<Problem>) => <A extends I>(config: Config.Config<A>): Config.Config<A> =>
    checked(config, (options) => {
      const problem = problems(options)[0]
      return problem && { name: key(problem.option), message: problem.message }
    })

export const fromTable = <T extends Readonly<Record<string, Row>>>(table: T, item: string): Config.Config<Values<T>> =>
  Config.all(Object.fromEntries(
    Object.entries(table)
      .filter(([, { description }]) => description !== undefined)
      .map(([option, row]) => [option, configOf(option, row, item)])
  )) as Config.Config<any>
