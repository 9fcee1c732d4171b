/** Which faults come when: all of it follows from a seed. */
import { PCGRandom } from "effect/Utils"

export const kinds = [
  "kill",
  "stop",
  "cut",
  "stall",
  "delay",
  "closeSessions",
  "reset",
  "finish",
  "stopSending",
  "interrupt",
  "resize",
  "drain"
] as const

export type Kind = (typeof kinds)[number]

export interface Fault {
  readonly kind: Kind
  /** Milliseconds after the start. */
  readonly at: number
  /** How long it lasts, in milliseconds; 0 for what happens in a moment. */
  readonly lasts: number
  /** What it does with it depends on the kind: a close code, milliseconds of delay, a size. */
  readonly value: number
}

/** For how long nothing is done before the first fault and after the last one, in milliseconds. */
export const calm = 6_000

/** How long it takes at most until the load is what it was, in milliseconds: for what comes after. */
const gap = (lasts: number): number => lasts === 0 ? 5_500 : 7_500

const longest: Readonly<Partial<Record<Kind, number>>> = {
  kill: 2_500,
  stop: 4_000,
  cut: 3_000,
  stall: 4_000,
  delay: 3_000,
  resize: 1_500
}

const largest: Readonly<Partial<Record<Kind, number>>> = { closeSessions: 255, delay: 150, interrupt: 32, resize: 4 }

/** Every kind comes once before any comes again. */
export const schedule = (seed: number, duration: number): ReadonlyArray<Fault> => {
  const random = new PCGRandom(seed)
  const faults: Array<Fault> = []
  let deck: Array<Kind> = []
  for (let at = calm;;) {
    if (deck.length === 0) deck = [...kinds]
    const kind = deck.splice(random.integer(deck.length), 1)[0]!
    const most = longest[kind]
    const lasts = most === undefined ? 0 : 200 + random.integer(most - 200)
    const value = 1 + random.integer(largest[kind] ?? 1)
    at += random.integer(1_000)
    if (at + lasts + gap(lasts) > duration) return faults
    faults.push({ kind, at, lasts, value })
    at += lasts + gap(lasts)
  }
}

export const describe = ({ at, kind, lasts, value }: Fault): string => {
  const when = `${(at / 1_000).toFixed(2).padStart(7)} s`
  const detail = kind === "delay" ? ` of ${value} ms` : kind === "closeSessions" ? ` with code ${value}` : ""
  return `${when}  ${kind}${detail}${lasts === 0 ? "" : `, for ${(lasts / 1_000).toFixed(2)} s`}`
}
