/** The pool of one key, a part of the whole. */
import type * as Scope from "effect/Scope"
import type { PoolClock } from "../core/clock.js"
import { KeyShare } from "../core/keyed/commonLimit.js"
import type { CommonLimit, CommonPlace } from "../core/keyed/commonLimit.js"
import { AgingKey } from "../core/keyed/keyLifetimes.js"
import type { GateCommand } from "../core/pool/commands.js"
import type { Permit } from "../core/pool/item.js"
import type { ValueIndex } from "../core/pool/valueIndex.js"
import type { Borrowing } from "../engine/borrowing.js"
import type { GateWait, PoolAdapter, Whole } from "../engine/contract.js"
import type { FramedUse } from "../engine/framedUse.js"
import type { Origin } from "../engine/origin.js"
import { Engine } from "../engine/poolEngine.js"

/** What the pools of all keys share. */
export interface KeyedWhole<K, A, E> {
  readonly limit: CommonLimit<KeyPool<K, A, E>>
  readonly byValue: ValueIndex<A>
  readonly time: PoolClock
  readonly gateWait: GateWait
  /** The pool of the key does not want the place any more. */
  withdraw(place: CommonPlace<KeyPool<K, A, E>>): void
  giveBack(place: CommonPlace<KeyPool<K, A, E>>): void
  /** The limit has changed. */
  settle(): void
  unused(part: KeyPool<K, A, E>): void
  closed(part: KeyPool<K, A, E>): void
  /** Figures may have changed. */
  changed(): void
}

export class KeyPool<K, A, E> extends AgingKey implements Whole<A> {
  readonly id: K
  readonly gate: KeyShare<KeyPool<K, A, E>>
  readonly byValue: ValueIndex<A>
  readonly engine: Engine<A, E, A>
  readonly borrowing: Borrowing<A, E, A>
  /** The fast `use`. */
  readonly framed: FramedUse<A, E, A> | undefined
  private readonly createdAt: number
  private readonly whole: KeyedWhole<K, A, E>

  constructor(id: K, whole: KeyedWhole<K, A, E>, origin: Origin, adapter: PoolAdapter<A, E, Scope.Scope, A>) {
    super()
    this.id = id
    this.whole = whole
    this.gate = new KeyShare(whole.limit, this)
    this.byValue = whole.byValue
    this.createdAt = whole.time.read().wall
    this.engine = new Engine<A, E, A>(origin, () => adapter, this)
    this.borrowing = this.engine.borrowing
    this.framed = this.borrowing.framed
  }

  get gateWait(): GateWait {
    return this.whole.gateWait
  }

  perform(command: GateCommand): void {
    const { whole } = this
    const place = this.placeOf(command.permit)
    switch (command._tag) {
      case "AskPermit":
        whole.limit.ask(place, command.purpose)
        break
      case "WithdrawPermit":
        whole.withdraw(place)
        break
      case "ReturnPermit":
        whole.giveBack(place)
        break
      case "CreationOver":
        whole.limit.creationOver(place)
    }
    whole.settle()
  }

  /** The machine has its permits from `gate`. */
  private placeOf(permit: Permit): CommonPlace<KeyPool<K, A, E>> {
    return permit as CommonPlace<KeyPool<K, A, E>>
  }

  get unusedSince(): number | undefined {
    const { machine } = this.engine
    return machine.isUsed ? undefined : Math.max(this.createdAt, machine.usedAt)
  }

  watch(): void {
    this.engine.machine.wantUnused(this.whole.time.read())
  }

  unused(): void {
    this.whole.unused(this)
  }

  closed(): void {
    this.whole.closed(this)
  }

  changed(): void {
    this.whole.changed()
  }
}
