/** The order and the times of the faults, all from a seed. */
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
  /** How long the fault lasts, in milliseconds; 0 if it happens in a moment. */
  readonly lasts: number
  /** A parameter whose meaning depends on the kind: a close code, milliseconds of delay, a size. */
  readonly value: number
}

/** The time before the first fault, in milliseconds. */
export const calm = 4_500

/** After these faults sessions are dead or answers missing: the recovery may take the longest allowed time. */
const grave: ReadonlySet<Kind> = new Set(["kill", "stop", "cut", "stall", "delay", "closeSessions", "stopSending"])

/** The pause after a fault, in milliseconds. A minute has room for all kinds. */
const gap = (kind: Kind): number => grave.has(kind) ? 4_500 : 2_600

/** The shortest and longest duration in milliseconds; later rounds may double it. */
const lengths: Readonly<Partial<Record<Kind, readonly [shortest: number, longest: number]>>> = {
  kill: [200, 1_500],
  stop: [1_000, 2_200],
  cut: [200, 1_500],
  stall: [1_000, 2_200],
  delay: [400, 1_200],
  resize: [200, 800]
}

const largest: Readonly<Partial<Record<Kind, number>>> = { closeSessions: 255, delay: 150, interrupt: 32, resize: 4 }

const shuffled = <A>(all: ReadonlyArray<A>, random: PCGRandom): ReadonlyArray<A> => {
  const left = [...all]
  return all.map(() => left.splice(random.integer(left.length), 1)[0]!)
}

export const endpointKinds = ["kill", "stop", "replace"] as const

/** A fault of a fleet of three servers. One of them stays well. */
export interface EndpointFault {
  readonly kind: (typeof endpointKinds)[number]
  /** Milliseconds after the start. */
  readonly at: number
  /** How long a server is away, or how long after it left the list it is killed; in milliseconds. */
  readonly lasts: number
  /** The places in the list of the servers that it hits. */
  readonly places: ReadonlyArray<number>
}

/** The pause after a fault, in milliseconds. A server that starts again needs some of it. */
const endpointGap = 2_500

/** In shuffled rounds, too. From the second round on a fault may hit two servers. */
export const endpointSchedule = (seed: number, duration: number): ReadonlyArray<EndpointFault> => {
  const random = new PCGRandom(seed)
  const faults: Array<EndpointFault> = []
  for (let at = 2_000, isFirst = true;; isFirst = false) {
    for (const kind of shuffled(endpointKinds, random)) {
      const lasts = 400 + random.integer(kind === "stop" ? 2_800 : 1_600)
      const hit = isFirst || kind === "replace" ? 1 : 1 + random.integer(2)
      if (at + lasts + endpointGap > duration) return faults
      faults.push({ kind, at, lasts, places: shuffled([0, 1, 2], random).slice(0, hit) })
      at += lasts + endpointGap
    }
  }
}

export const permitKinds = [
  "killProcess",
  "stopProcess",
  "killRedis",
  "stopRedis",
  "cutRedis",
  "stallRedis"
] as const

/** A fault of processes that share a limit, or of their Redis. */
export interface PermitFault {
  readonly kind: (typeof permitKinds)[number]
  /** Milliseconds after the start. */
  readonly at: number
  readonly lasts: number
  /** Picks the process that it hits: from 0 to 1. */
  readonly member: number
}

/** How long a permit lasts that is not renewed, in milliseconds. */
export const permitTimeToLive = 3_000

/** How long the consequences of such a fault may last: a lease, the silence after a loss of memory, the pools' backoff. */
export const permitAftermath = 2 * permitTimeToLive + 3_000

/** A process is stopped for longer than its permits last. */
const permitLengths: Readonly<Record<PermitFault["kind"], readonly [shortest: number, longest: number]>> = {
  killProcess: [300, 1_000],
  stopProcess: [permitTimeToLive + 500, permitTimeToLive + 2_000],
  killRedis: [200, 2_000],
  stopRedis: [500, 4_000],
  cutRedis: [500, 4_000],
  stallRedis: [500, 4_000]
}

/** In shuffled rounds, too. The next fault comes before the last one is over; after each round all are well for a while. */
export const permitSchedule = (seed: number, duration: number): ReadonlyArray<PermitFault> => {
  const random = new PCGRandom(seed)
  const faults: Array<PermitFault> = []
  for (let at = 3_000;;) {
    for (const [index, kind] of shuffled(permitKinds, random).entries()) {
      const [shortest, longest] = permitLengths[kind]
      const lasts = shortest + random.integer(longest - shortest)
      const gap = index === permitKinds.length - 1 ? permitAftermath + 4_000 : 1_000
      if (at + lasts + gap > duration) return faults
      faults.push({ kind, at, lasts, member: random.number() })
      at += lasts + gap
    }
  }
}

/** The faults in shuffled rounds: every kind comes once before any kind comes again. */
export const schedule = (seed: number, duration: number): ReadonlyArray<Fault> => {
  const random = new PCGRandom(seed)
  const faults: Array<Fault> = []
  let round: Array<Kind> = []
  let rounds = 0
  for (let at = calm;;) {
    if (round.length === 0) {
      round = [...kinds]
      rounds++
    }
    const kind = round.splice(random.integer(round.length), 1)[0]!
    const [shortest, longest] = lengths[kind] ?? [0, 0]
    const lasts = longest === 0 ? 0 : shortest + random.integer((rounds === 1 ? 1 : 2) * longest - shortest)
    const value = 1 + random.integer(largest[kind] ?? 1)
    at += random.integer(100)
    if (at + lasts + gap(kind) > duration) return faults
    faults.push({ kind, at, lasts, value })
    at += lasts + gap(kind)
  }
}

export const describe = ({ at, kind, lasts, value }: Fault): string => {
  const when = `${(at / 1_000).toFixed(2).padStart(7)} s`
  const detail = kind === "delay" ? ` of ${value} ms` : kind === "closeSessions" ? ` with code ${value}` : ""
  return `${when}  ${kind}${detail}${lasts === 0 ? "" : `, for ${(lasts / 1_000).toFixed(2)} s`}`
}
