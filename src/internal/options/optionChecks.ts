import { dieMessage } from "#effect/effect"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { kindOf } from "../core/kinds.js"

/** An invalid option. */
export interface Problem {
  readonly option: string
  readonly message: string
}

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return Array.isArray(value) || prototype === Object.prototype || prototype === null
}

const show = (value: unknown): string => {
  if (typeof value === "string") return JSON.stringify(value)
  if (Duration.isDuration(value)) return Duration.format(value)
  if (typeof value === "function") return "of type function"
  if (typeof value !== "object" || value === null) return String(value)
  if (!isPlain(value)) return `of type ${kindOf(value)}`
  try {
    return JSON.stringify(value)
  } catch {
    // it has a bigint, or itself
    return `of type ${kindOf(value)}`
  }
}

/** Collects the problems of a pool's options. */
export class OptionChecks {
  readonly problems: Array<Problem> = []

  /** The message is: option must be `rule`, but `fault`. */
  refuse(option: string, value: unknown, rule: string, fault = `was ${show(value)}`): void {
    this.problems.push({ option, message: `${option} must be ${rule}, but ${fault}` })
  }
}

/** Of two options one is required. */
export const eitherOr = (one: string, other: string, isMissing: boolean): string =>
  isMissing
    ? `${one} or ${other} must be set, but neither was`
    : `${one} and ${other} exclude each other, but both were set`

/** What a function among the options returned makes no sense. */
export const wrongAnswer = (pool: string, option: string, rule: string, answer: unknown): RangeError =>
  new RangeError(`[${pool}] ${option} must return ${rule}, but returned ${show(answer)}`)

export const formatProblems = (problems: ReadonlyArray<Problem>): string =>
  problems.map((problem) => problem.message).join("; ")

/** Invalid options are a defect, which names the pool and each option. */
export const dieOfProblems = (pool: string, problems: ReadonlyArray<Problem>): Effect.Effect<void> =>
  problems.length === 0 ? Effect.void : dieMessage(`[${pool}] ${formatProblems(problems)}`)
