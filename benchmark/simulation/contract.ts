/** What the parts of a simulated pool know of each other. */
import type { SessionEnd } from "../../src/internal/core/balance/endpoint.js"
import type { Command } from "../../src/internal/core/pool/commands.js"
import type { Item } from "../../src/internal/core/pool/item.js"
import type { Agenda } from "./agenda.js"
import type { Backend, Client, Session } from "./backend.js"
import type { Ledger } from "./ledger.js"
import type { FleetPolicy } from "./policy.js"

/** What the shell keeps on the machine's records. */
export interface Data {
  readonly item: never
  /** Cancels what runs for an item or a check. */
  readonly hook: () => void
  /** When the borrower came. */
  readonly borrower: number
  readonly resume: never
}

export type PoolItem = Item<Session, Data>
export type PoolCommand = Command<Session, string, Data>

/** What all pools of a fleet have in common. */
export interface World {
  readonly agenda: Agenda
  readonly random: () => number
  readonly backend: Backend
  readonly policy: FleetPolicy
  readonly ledger: Ledger
  /** How long a borrower that comes now has work for its session, in milliseconds. */
  readonly work: () => number
}

/** A pool, for what opens its sessions. */
export interface OpeningPool extends Client {
  readonly world: World
  /** Borrowers in the queue. */
  readonly waiting: number
  opened(item: PoolItem, session: Session): void
  failedToOpen(item: PoolItem, failure: string): void
  retire(session: Session): void
}

export interface Opener {
  /** Answered by the pool's `opened` or `failedToOpen`, never at once. Sets how it is cancelled. */
  open(item: PoolItem): void
  /** A borrower waits. */
  demanded(): void
  proved(session: Session): void
  /** The first call counts. */
  ended(session: Session, how: SessionEnd): void
}
