import type { Outbox } from "../outbox.js"
import type { Command } from "./commands.js"

/** When the machine asked for its next tick. */
export class Alarm {
  private at = Infinity
  /** Whether `Rest` was asked for, and `disarm` has not followed. */
  private isResting = false
  private readonly outbox: Outbox<Command<any, any>>

  constructor(outbox: Outbox<Command<any, any>>) {
    this.outbox = outbox
  }

  /** Whether this is the time that was asked for last. */
  isSetTo(at: number): boolean {
    return this.at === at
  }

  /** Sooner than before, or not at all. */
  set(at: number): void {
    if (at >= this.at || at === Infinity) return
    this.at = at
    this.outbox.push({ _tag: "WakeAt", at })
  }

  /** Nothing is due. */
  rest(): void {
    if (this.at === Infinity || this.isResting) return
    this.isResting = true
    this.outbox.push({ _tag: "Rest" })
  }

  rested(): void {
    this.isResting = false
  }

  /** It went off, or was switched off. */
  clear(): void {
    this.at = Infinity
  }
}
