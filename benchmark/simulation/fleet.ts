/** A fleet of pools against one backend, in simulated time. The same seed gives the same run. */
import { randomOf } from "../../test/support/randomOf.js"
import { Agenda } from "./agenda.js"
import { Backend, type Capacity } from "./backend.js"
import { FleetPool } from "./fleetPool.js"
import { Ledger } from "./ledger.js"
import { type Outcome, outcomeOf } from "./outcome.js"
import { policyOf } from "./policy.js"
import type { Scale, Scenario, Variant } from "./scenario.js"

/** Borrowers of a pool that come in a second, in the mean. */
const borrowers = 1
/** Milliseconds that a borrower has a session for, in the mean. */
const work = 1_000
/** Milliseconds to a server and back, of the nearest pool and of the farthest. */
const trips = { least: 10, most: 50 }
/** Pools start one after the other in this time, before the start of the scenario, in milliseconds. */
const warmUp = 40_000

const replicas = 10

/** The backend grows with the fleet. For 10,000 pools: 4,000 handshakes/s, 120,000 sessions, 16,000 requests/s. */
const capacityFor = (pools: number): Capacity => ({
  handshakes: pools * 0.4 / replicas,
  backlog: pools * 4 / replicas,
  sessions: pools * 12 / replicas,
  requests: pools * 1.6 / replicas
})

export const simulate = (scenario: Scenario, variant: Variant, scale: Scale): Outcome => {
  const agenda = new Agenda()
  const random = randomOf(scale.seed)
  const arrivals = randomOf(scale.seed + 1)
  const exponential = (mean: number) => -mean * Math.log(1 - arrivals())
  const { end, from, load, until } = scenario
  const time = (seconds: number) => warmUp + 1_000 * seconds

  const ledger = new Ledger(agenda, warmUp, end, [1_000 * from, 1_000 * until + 10_000])
  const policy = policyOf({ ...scenario.options, ...variant.options }, variant.address)
  const backend = new Backend(agenda, random, {
    replicas,
    capacity: capacityFor(scale.pools),
    connectTimeout: policy.connectTimeout,
    onDial: () => ledger.dialled()
  })
  const world = { agenda, random, backend, policy, ledger, work: () => exponential(work) }
  const pools = Array.from(
    { length: scale.pools },
    () => new FleetPool(world, trips.least + arrivals() * (trips.most - trips.least))
  )

  /** When so many milliseconds of the usual load have passed. */
  const afterLoad = (span: number): number => {
    let { now } = agenda
    for (const [at, factor] of [[time(from), 1], [time(until), load]] as const) {
      if (now >= at) continue
      if (now + span / factor <= at) return now + span / factor
      span -= (at - now) * factor
      now = at
    }
    return now + span
  }
  for (const [place, pool] of pools.entries()) {
    const arrive = (): void => {
      pool.borrow()
      plan()
    }
    const plan = (): void => {
      const at = afterLoad(exponential(1_000 / borrowers))
      if (at < time(end)) agenda.at(at, arrive)
    }
    agenda.at(warmUp * 0.9 * place / pools.length, () => {
      pool.start()
      plan()
    })
  }

  const sessions: Array<number> = []
  const counts = () => backend.replicas.map(({ sessions }) => sessions.size)
  let before: ReadonlyArray<number> = []
  agenda.at(time(from) - 1, () => {
    before = counts()
  })
  for (let second = 0; second < end; second++) agenda.at(time(second), () => sessions.push(backend.sessions))
  scenario.play({
    backend,
    replicas: backend.replicas,
    pools,
    at: (seconds, run) => {
      agenda.at(time(seconds), run)
    }
  })
  agenda.runUntil(time(end))
  const after = counts()
  // those that have come are still served, or fail
  for (let second = 1; ledger.open > 0 && second <= 120; second++) agenda.runUntil(time(end + second))
  return outcomeOf({ scenario, variant, ledger, sessions, before, after, pools, backend, events: agenda.count })
}
