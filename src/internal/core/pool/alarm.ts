import type { Outbox } from "../outbox.js"
import type { Command } from "./commands.js"

/** The time of the machine's next tick. */
export class Alarm {
  private at = Infinity
  /** Whether the machine sent `Rest`, and `disarm` has not followed. */
  private isResting = false
  private readonly outbox: Outbox<Command<any, any>>

  constructor(outbox: Outbox<Command<any, any>>) {
    this.outbox = outbox
  }

  /** Whether the alarm is set to this time. */
  isSetTo(at: number): boolean {
    return this.at === at
  }

  /** Sets the alarm; a later time than the current one changes nothing. */
  set(at: number): void {
    if (at >= this.at) return
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

  /** The alarm went off, or was switched off. */
  clear(): void {
    this.at = Infinity
  }
}
