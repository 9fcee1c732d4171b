/** What happens to the fleet, and the options that are compared. */
import * as Effect from "effect/Effect"
import type { PoolOptions } from "./policy.js"
import type { Scenario, Variant } from "./scenario.js"

const variant = (name: string, options: PoolOptions = {}): Variant => ({ name, options, address: "balancer" })

export const defaults = variant("the defaults")
export const withoutJitter = variant("no jitter", { createBackoff: { jitter: 0 } })
const endpoints: ReadonlyArray<Variant> = [
  { name: "several endpoints", options: {}, address: "endpoints" },
  { name: "endpoints, attemptDelay 2 s", options: { attemptDelay: "2 seconds" }, address: "endpoints" }
]

const withoutBackoff = variant("no backoff: 100 ms", { createBackoff: { initial: 100, factor: 1 } })
const concurrencies = [2, 10].map((most) => variant(`createConcurrency ${most}`, { createConcurrency: most }))
const atOnce = variant("rideOut 0", { rideOut: 0 })
const queues = [
  variant("maxWaiters 20", { maxWaiters: 20 }),
  variant("acquireTimeout 5 s", { acquireTimeout: "5 seconds" })
]

/** Ten sessions in each pool, always. */
const full: PoolOptions = { minSize: 10, maxSize: 10 }

const outage: Scenario = {
  name: "outage",
  title: "An outage of 30 s",
  words: "All replicas are killed at once. 30 s later all of them are back.",
  from: 20,
  until: 50,
  end: 90,
  load: 1,
  options: full,
  variants: [
    defaults,
    withoutJitter,
    variant("jitter 0.1", { createBackoff: { jitter: 0.1 } }),
    withoutBackoff,
    ...concurrencies,
    atOnce,
    variant("rideOut 30 s", { rideOut: "30 seconds" }),
    ...endpoints
  ],
  play: ({ at, backend, replicas }) => {
    at(20, () => replicas.forEach((replica) => backend.kill(replica)))
    at(50, () => replicas.forEach((replica) => backend.start(replica)))
  }
}

const deploy: Scenario = {
  name: "deploy",
  title: "A rolling deploy",
  words: "One replica after the other asks its clients to leave, is killed 5 s later, and is back 5 s after that.",
  from: 20,
  until: 120,
  end: 140,
  load: 1,
  options: full,
  variants: [defaults, withoutJitter, withoutBackoff, ...concurrencies, atOnce, ...endpoints],
  play: ({ at, backend, replicas }) =>
    replicas.forEach((replica, place) => {
      at(20 + 10 * place, () => backend.drain(replica))
      at(25 + 10 * place, () => backend.kill(replica))
      at(30 + 10 * place, () => backend.start(replica))
    })
}

const half: Scenario = {
  name: "half",
  title: "Half of the backend",
  words:
    "Five of the ten replicas are killed, and are back 60 s later. The others bear 60 of 100 sessions, and answer " +
    "four of five requests.",
  from: 20,
  until: 80,
  end: 120,
  load: 1,
  options: full,
  variants: [defaults, withoutJitter, withoutBackoff, ...concurrencies, atOnce, ...queues, ...endpoints],
  play: ({ at, backend, replicas }) => {
    const others = replicas.slice(replicas.length / 2)
    at(20, () => others.forEach((replica) => backend.kill(replica)))
    at(80, () => others.forEach((replica) => backend.start(replica)))
  }
}

const burst: Scenario = {
  name: "burst",
  title: "Ten times the load",
  words:
    "For 10 s ten times as many borrowers come. Pools have two sessions, and grow to ten. The backend answers 1.6 " +
    "times the usual load.",
  from: 20,
  until: 30,
  end: 80,
  load: 10,
  options: { minSize: 2, maxSize: 10, idleTimeToLive: "60 seconds" },
  variants: [defaults, ...concurrencies, ...queues],
  play: () => undefined
}

const leaps: Scenario = {
  name: "leaps",
  title: "Leaps of the wall clock",
  words: "In one of twenty pools the wall clock leaps two hours ahead, in another one two hours back. Sessions are " +
    "checked, pinged, and live for an hour.",
  from: 20,
  until: 21,
  end: 50,
  load: 1,
  options: {
    ...full,
    maxLifetime: "1 hour",
    idleTimeToLive: "10 minutes",
    validate: () => Effect.succeed(true),
    keepAlive: { interval: "30 seconds", ping: () => Effect.void }
  },
  variants: [defaults, ...concurrencies],
  play: ({ at, pools }) => {
    const hours = 2 * 3_600_000
    at(20, () =>
      pools.forEach((pool, place) => {
        if (place % 20 === 0) pool.leap(hours)
        if (place % 20 === 10) pool.leap(-hours)
      }))
  }
}

export const scenarios: ReadonlyArray<Scenario> = [outage, deploy, half, burst, leaps]
