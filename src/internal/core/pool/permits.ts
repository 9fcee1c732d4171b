import { LinkedList } from "../linkedList.js"
import type { Outbox } from "../outbox.js"
import type { Command } from "./commands.js"
import type { Gate, Permit, PermitPurpose } from "./item.js"

/** The permits that a pool has asked for, and those that it has and does not use yet. */
export class Permits {
  // the oldest first
  private readonly forBorrowers = new LinkedList<Permit>()
  private readonly spare = new LinkedList<Permit>()
  /** Granted; the creation has not begun, since too many others are under way. */
  private readonly held = new LinkedList<Permit>()
  readonly gate: Gate
  private readonly outbox: Outbox<Command<any, any>>

  constructor(gate: Gate, outbox: Outbox<Command<any, any>>) {
    this.gate = gate
    this.outbox = outbox
  }

  /** Whether a borrower waits for a permit. */
  get isAwaited(): boolean {
    return this.forBorrowers.length > 0
  }

  /**
   * Asks for as many permits as are wanted: `forBorrowers` of them for borrowers, `all` together. The newest of those that
   * are too many go: the place in the queue is the pool's, and survives the borrower it was taken for.
   */
  seek(forBorrowers: number, all: number): void {
    const borrowers = Math.max(0, forBorrowers - this.held.length)
    this.adjust(this.spare, Math.max(0, all - this.held.length - borrowers), "spare")
    this.adjust(this.forBorrowers, borrowers, "borrower")
    while (this.held.length > Math.max(0, all)) this.giveBack(this.take()!)
  }

  /** Returns whether the pool still wants the permit. */
  granted(permit: Permit): boolean {
    const { list } = permit
    if (list !== this.forBorrowers && list !== this.spare) return false
    list.remove(permit)
    this.held.push(permit)
    return true
  }

  /** The permit cannot be had. Returns whether the pool still wanted it. */
  failed(permit: Permit): boolean {
    const { list } = permit
    if (list !== this.forBorrowers && list !== this.spare) return false
    list.remove(permit)
    return true
  }

  /** A permit that no creation uses yet is lost. */
  drop(permit: Permit): void {
    if (permit.list !== this.held) return
    this.held.remove(permit)
    this.giveBack(permit)
  }

  /** A permit for the creation that begins. */
  take(): Permit | undefined {
    for (let { last } = this.held; last !== undefined; { last } = this.held) {
      this.held.remove(last)
      if (last.standing === undefined || last.standing() === "Valid") return last
      this.giveBack(last)
    }
    return undefined
  }

  giveBack(permit: Permit): void {
    this.outbox.push({ _tag: "ReturnPermit", permit })
  }

  creationOver(permit: Permit): void {
    this.outbox.push({ _tag: "CreationOver", permit })
  }

  private adjust(list: LinkedList<Permit>, count: number, purpose: PermitPurpose): void {
    while (list.length > count) {
      const permit = list.last!
      list.remove(permit)
      this.outbox.push({ _tag: "WithdrawPermit", permit })
    }
    while (list.length < count) {
      const permit = this.gate.makePermit()
      list.push(permit)
      this.outbox.push({ _tag: "AskPermit", permit, purpose })
    }
  }
}
