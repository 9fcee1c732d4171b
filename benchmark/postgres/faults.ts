/** The same transactions while the server fails: one group for each fault. */
import { setTimeout as delay } from "node:timers/promises"
import { number, seconds, table, whole } from "../harness/format.js"
import type { Entry, Group, Requirement, Results, Settings } from "../harness/model.js"
import { Admin, Books } from "./books.js"
import { Clerk, type Observer } from "./clerk.js"
import { type Contestant, contestants, peers, size } from "./contestants.js"
import { cause, type Fault, serverConfig, startPostgres } from "./protocol.js"
import { fibers } from "./transactions.js"

interface Case {
  readonly name: string
  readonly title: string
  /** How long the fault lasts, for those that have a length. */
  readonly millis?: (settings: Settings) => number
  /** Before the contestant has a connection. */
  readonly before?: Fault
  readonly fault: Fault
  /** The connections that it takes away, each of which may have had a transaction. */
  readonly dead: number
}

const cases: ReadonlyArray<Case> = [
  { name: "terminated", title: "A backend is terminated", fault: "terminate", dead: 1 },
  { name: "crash", title: "A backend is killed by SIGKILL, and the server recovers", fault: "crash", dead: size },
  {
    name: "restart",
    title: "An immediate restart, the server is away for a second",
    fault: "restart",
    millis: () => 1_000,
    dead: size
  },
  {
    name: "standstill",
    title: "SIGSTOP, and after four seconds SIGCONT",
    fault: "standstill",
    millis: ({ quick }) => quick ? 1_000 : 4_000,
    dead: 0
  },
  {
    name: "full",
    title: "`max_connections` leaves five of ten connections, for two seconds",
    before: "occupy",
    fault: "release",
    millis: ({ quick }) => quick ? 1_000 : 2_000,
    dead: 0
  }
]

/** Seconds until what has not come back counts as gone. Longer than the deadline. */
const limit = 6

/** Counts, and tells when every fiber was served again. */
class Watch implements Observer {
  failures = 0
  private ended = false
  private since = Infinity
  private toServe = new Set<number>()
  private onServed: () => void = () => {}

  take(): boolean {
    return !this.ended
  }

  answered(_asked: number, fiber: number): void {
    if (this.toServe.delete(fiber) && this.toServe.size === 0) this.onServed()
  }

  failed(): void {
    this.failures++
  }

  end(): void {
    this.ended = true
  }

  /** Every fiber, once more. */
  served(): Promise<number> {
    this.toServe = new Set(Array.from({ length: fibers }, (_, fiber) => fiber))
    this.since = performance.now()
    return new Promise((resolve) => {
      this.onServed = () => resolve(performance.now() - this.since)
    })
  }
}

const within = <A>(promise: Promise<A>, otherwise: A): Promise<A> =>
  Promise.race([promise, delay(limit * 1_000, otherwise, { ref: false })])

/** The connections at the server until there are ten again, and the time until then. */
const connectionsBack = async (admin: Admin) => {
  const start = performance.now()
  for (;;) {
    const connections = await admin.connections().catch(() => 0)
    const millis = performance.now() - start
    if (connections >= size || millis > limit * 1_000) return { connections, millis: Math.min(millis, limit * 1_000) }
    await delay(20)
  }
}

/** Counts errors that would have ended the process. */
const countUncaught = () => {
  let count = 0
  const note = () => {
    count++
  }
  const events = ["uncaughtException", "unhandledRejection"] as const
  for (const event of events) process.on(event, note)
  return () => {
    for (const event of events) process.off(event, note)
    return count
  }
}

const entry = ({ before, fault, millis }: Case) => ({ open, peer }: Contestant): Entry => ({
  peer,
  rounds: 1,
  limit: 60,
  measure: async (settings) => {
    const admin = new Admin(serverConfig())
    const books = await Books.open(admin, fibers)
    if (before !== undefined) await cause(before)
    const uncaught = countUncaught()
    try {
      const drive = await open()
      const watch = new Watch()
      const work = drive(Array.from({ length: fibers }, (_, id) => new Clerk(id, books, watch)))
      if (before === undefined) {
        for (let i = 0; i < 3; i++) await watch.served()
        await cause(fault, millis?.(settings))
      } else {
        await delay(millis!(settings))
        await cause(fault)
      }
      const [served, back] = await Promise.all([within(watch.served(), limit * 1_000), connectionsBack(admin)])
      watch.end()
      await within(work, undefined)
      const { lost, wrong } = await books.audit()
      return {
        failed: [watch.failures],
        served: [served],
        connections: [back.connections],
        back: [back.millis],
        uncaught: [uncaught()],
        lost: [lost],
        wrong: [wrong]
      }
    } finally {
      uncaught()
    }
  }
})

const time = (millis: number | undefined) =>
  millis !== undefined && millis >= limit * 1_000 ? seconds(limit) : number(millis)

const report = ({ name, title }: Case, results: Results): ReadonlyArray<string> => [
  table(
    [
      title,
      "failed borrows",
      "uncaught errors",
      "connections back",
      "after (ms)",
      "all fibers served after (ms)",
      "lost commits",
      "wrong"
    ],
    contestants.map(({ peer }) => {
      const of = (figure: string) => results.median(name, peer, figure)
      return [
        peer,
        whole(of("failed")),
        whole(of("uncaught")),
        whole(of("connections")),
        time(of("back")),
        time(of("served")),
        whole(of("lost")),
        whole(of("wrong"))
      ]
    })
  )
]

const requirements = ({ dead, name, title }: Case, results: Results): ReadonlyArray<Requirement> => {
  const ours = (figure: string) => results.median(name, peers.ours, figure)
  const others = contestants.flatMap(({ peer }) =>
    peer === peers.ours ? [] : results.median(name, peer, "failed") ?? []
  )
  const failed = ours("failed")
  return [
    {
      what: `${title}: failed borrows`,
      figure: failed,
      bound: { atMost: dead },
      unit: ""
    },
    {
      what: `${title}: failed borrows more than the best of the others`,
      figure: failed === undefined || others.length === 0 ? undefined : Math.max(0, failed - Math.min(...others)),
      bound: { atMost: 0 },
      unit: ""
    },
    {
      what: `${title}: uncaught errors, lost commits and wrong answers`,
      figure: failed === undefined ? undefined : ours("uncaught")! + ours("lost")! + ours("wrong")!,
      bound: { atMost: 0 },
      unit: ""
    }
  ]
}

export const faults: ReadonlyArray<Group> = cases.map((fault) => ({
  name: fault.name,
  title: fault.title,
  start: startPostgres,
  entries: () => contestants.map(entry(fault)),
  report: (results) => report(fault, results),
  requirements: (results) => requirements(fault, results)
}))
