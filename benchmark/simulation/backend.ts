/**
 * The servers of a fleet: replicas that accept sessions one after the other, bear so many of them, and answer requests in
 * turn. A pool meets them through a balancer, or by the address of each.
 */
import type { Agenda, Happening } from "./agenda.js"

/** What each replica can do. */
export interface Capacity {
  /** Handshakes a second. They wait in a queue. */
  readonly handshakes: number
  /** Handshakes that may wait. The replica drops others without a word. */
  readonly backlog: number
  /** Sessions at a time. After a handshake, others are refused. */
  readonly sessions: number
  /** Requests a second. They wait in a queue without limit. */
  readonly requests: number
}

/** Whose sessions they are: what a pool hears of its servers. */
export interface Client {
  /** The time to a server and back. */
  readonly trip: number
  /** The session has died. */
  lost(session: Session): void
  /** The server asks the client to replace the session soon. */
  drained(session: Session): void
}

export class Session {
  readonly replica: Replica
  readonly client: Client
  /** The end of the request that the session carries. */
  work: Happening | undefined = undefined

  constructor(replica: Replica, client: Client) {
    this.replica = replica
    this.client = client
  }

  get isOpen(): boolean {
    return this.replica.sessions.has(this)
  }
}

export type DialFailure = "refused" | "reset" | "full" | "timeout"

/** An attempt to connect. */
export class Dial {
  readonly client: Client
  readonly opened: (session: Session) => void
  readonly failed: (failure: DialFailure) => void
  /** Whose queue it is in. */
  replica: Replica | undefined = undefined
  next: Happening | undefined = undefined
  limit: Happening | undefined = undefined

  constructor(client: Client, opened: (session: Session) => void, failed: (failure: DialFailure) => void) {
    this.client = client
    this.opened = opened
    this.failed = failed
  }
}

export class Replica {
  readonly capacity: Capacity
  /** `Leaving`: its sessions are to go, and it accepts no others. */
  state: "Up" | "Leaving" | "Down" = "Up"
  readonly sessions = new Set<Session>()
  /** In the queue for a handshake, or in one. */
  readonly dials = new Set<Dial>()
  private handshakesUntil = 0
  private requestsUntil = 0

  constructor(capacity: Capacity) {
    this.capacity = capacity
  }

  get load(): number {
    return this.sessions.size + this.dials.size
  }

  /** When a handshake that comes now is over; `undefined`: the replica drops it. */
  shake(now: number): number | undefined {
    const wait = Math.max(0, this.handshakesUntil - now)
    // a client that has gone in the meantime costs its handshake all the same
    if (wait * this.capacity.handshakes >= this.capacity.backlog * 1_000) return undefined
    return this.handshakesUntil = now + wait + 1_000 / this.capacity.handshakes
  }

  /** When a request that comes now is answered. */
  answer(now: number): number {
    return this.requestsUntil = Math.max(now, this.requestsUntil) + 1_000 / this.capacity.requests
  }

  start(now: number): void {
    this.state = "Up"
    this.handshakesUntil = now
    this.requestsUntil = now
  }
}

export class Backend {
  readonly replicas: ReadonlyArray<Replica>
  /** Handshakes of clients that had gone. */
  wasted = 0
  private readonly agenda: Agenda
  private readonly random: () => number
  private readonly connectTimeout: number
  private readonly onDial: () => void

  constructor(
    agenda: Agenda,
    random: () => number,
    options: {
      readonly replicas: number
      readonly capacity: Capacity
      readonly connectTimeout: number
      readonly onDial: () => void
    }
  ) {
    this.agenda = agenda
    this.random = random
    this.connectTimeout = options.connectTimeout
    this.onDial = options.onDial
    this.replicas = Array.from({ length: options.replicas }, () => new Replica(options.capacity))
  }

  get sessions(): number {
    return this.replicas.reduce((sum, { sessions }) => sum + sessions.size, 0)
  }

  // --- connecting

  /** `to`: a replica, or a balancer that knows which are up. Answered by one of the two, unless it is cancelled. */
  dial(
    to: Replica | "balancer",
    client: Client,
    opened: (session: Session) => void,
    failed: (failure: DialFailure) => void
  ): Dial {
    const dial = new Dial(client, opened, failed)
    this.onDial()
    dial.limit = this.agenda.after(this.connectTimeout, () => this.fail(dial, "timeout"))
    dial.next = this.agenda.after(client.trip, () => this.arrive(dial, to === "balancer" ? this.choose() : to))
    return dial
  }

  cancel(dial: Dial): void {
    this.agenda.cancel(dial.next)
    this.agenda.cancel(dial.limit)
    if (dial.replica?.dials.delete(dial) === true) this.wasted++
  }

  /** The emptier one of two that are up. */
  private choose(): Replica | undefined {
    const up = this.replicas.filter(({ state }) => state === "Up")
    const [one, other] = [1, 2].map(() => up[Math.floor(this.random() * up.length)])
    return one !== undefined && other!.load < one.load ? other : one
  }

  private arrive(dial: Dial, replica: Replica | undefined): void {
    const { agenda } = this
    if (replica?.state !== "Up") return this.fail(dial, "refused")
    const done = replica.shake(agenda.now)
    // the client hears nothing until its time limit
    if (done === undefined) return
    dial.replica = replica
    replica.dials.add(dial)
    dial.next = agenda.at(done + dial.client.trip, () => {
      replica.dials.delete(dial)
      if (replica.sessions.size >= replica.capacity.sessions) return this.fail(dial, "full")
      agenda.cancel(dial.limit)
      const session = new Session(replica, dial.client)
      replica.sessions.add(session)
      dial.opened(session)
    })
  }

  private fail(dial: Dial, failure: DialFailure): void {
    this.cancel(dial)
    dial.failed(failure)
  }

  // --- sessions

  /** Carries a request of so many milliseconds on the session. If the session dies, nothing answers. */
  request(session: Session, millis: number, done: () => void): void {
    const { client, replica } = session
    session.work = this.agenda.at(replica.answer(this.agenda.now) + client.trip + millis, done)
  }

  /** Whether the server answers on the session. `undefined` is no answer. */
  ping(session: Session, answer: (isWell: boolean) => void): Happening {
    return this.agenda.after(session.client.trip, () => answer(session.isOpen))
  }

  close(session: Session): void {
    this.agenda.cancel(session.work)
    session.replica.sessions.delete(session)
  }

  // --- what happens to replicas

  start(replica: Replica): void {
    replica.start(this.agenda.now)
  }

  /** The replica asks its clients to leave, and accepts no others. */
  drain(replica: Replica): void {
    replica.state = "Leaving"
    this.refuseQueue(replica)
    for (const session of replica.sessions) {
      const { client } = session
      this.agenda.after(client.trip / 2, () => {
        if (session.isOpen) client.drained(session)
      })
    }
  }

  /** The replica is gone, and its connections are reset. */
  kill(replica: Replica): void {
    replica.state = "Down"
    this.refuseQueue(replica)
    for (const session of replica.sessions) {
      const { client } = session
      this.agenda.cancel(session.work)
      this.agenda.after(client.trip / 2, () => client.lost(session))
    }
    replica.sessions.clear()
  }

  private refuseQueue(replica: Replica): void {
    const { dials } = replica
    for (const dial of dials) {
      this.agenda.cancel(dial.next)
      dial.next = this.agenda.after(dial.client.trip / 2, () => this.fail(dial, "reset"))
      dial.replica = undefined
    }
    dials.clear()
  }
}
