/** The requests of callers. */
import { callback } from "#effect/effect"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { RequestError } from "../../RequestError.js"
import { MessageBuffer } from "../core/bytes/messageBuffer.js"
import { frameOverhead, type Sendable } from "../core/requests/batch.js"
import { SharedRequest } from "../core/requests/sharedStream.js"

type Resume<A, E> = (outcome: Effect.Effect<A, E>) => void

const nothing = new Uint8Array(0)

/**
 * A request that awaits its answers.
 *
 * It keeps neither a message that was sent nor an answer that was taken: V8 moves a request that waits for a while to its old
 * generation, where also after its end it would keep them, and whatever they refer to, until a full collection.
 */
export abstract class Call extends SharedRequest implements Sendable {
  message: Uint8Array

  constructor(message: Uint8Array, answers: "One" | "Many") {
    super(message.byteLength + frameOverhead, answers)
    this.message = message
  }

  override get isIntact(): boolean {
    return this.message.byteLength + frameOverhead === this.size
  }

  /** The bytes of the message have been copied. */
  encoded(): void {
    this.message = nothing
  }

  abstract answered(answer: Uint8Array): void
  /** The request has failed. */
  abstract failed(exit: Exit.Exit<never, RequestError>): void
}

/** A request with one answer, which its fiber waits for. */
export class SingleCall extends Call {
  /** Set when the request has ended before its fiber waits. */
  outcome: Exit.Exit<Uint8Array, RequestError> | undefined = undefined
  private resume: Resume<Uint8Array, RequestError> | undefined = undefined

  constructor(message: Uint8Array) {
    super(message, "One")
  }

  answered(answer: Uint8Array): void {
    this.end(Exit.succeed(answer))
  }

  failed(exit: Exit.Exit<never, RequestError>): void {
    this.end(exit)
  }

  private end(outcome: Exit.Exit<Uint8Array, RequestError>): void {
    if (this.resume === undefined) this.outcome = outcome
    else this.resume(outcome)
  }

  /** Completes with the outcome. The fiber may pause before it waits. */
  get wait(): Effect.Effect<Uint8Array, RequestError> {
    return callback<Uint8Array, RequestError>((resume) => {
      if (this.outcome === undefined) this.resume = resume
      else resume(this.outcome)
    })
  }
}

/** A request with many answers, for one consumer. */
export class ManyCall extends Call {
  readonly isLast: (answer: Uint8Array) => boolean
  private readonly waiting = new MessageBuffer()
  private end: Exit.Exit<never, RequestError> | "Last" | undefined = undefined
  private resume: (() => void) | undefined = undefined

  constructor(message: Uint8Array, isLast: (answer: Uint8Array) => boolean) {
    super(message, "Many")
    this.isLast = isLast
  }

  answered(answer: Uint8Array): void {
    this.waiting.push(answer)
    this.wake()
  }

  last(): void {
    this.end ??= "Last"
  }

  /** Answers that came before are still for the consumer. */
  failed(exit: Exit.Exit<never, RequestError>): void {
    this.end ??= exit
    this.wake()
  }

  private wake(): void {
    const { resume } = this
    this.resume = undefined
    resume?.()
  }

  /** The next answer. Fails with none after the last one. */
  readonly nextAnswer: Effect.Effect<Uint8Array, Option.Option<RequestError>> = Effect.suspend(() => {
    const answer = this.waiting.take()
    if (answer !== undefined) {
      this.consumed(answer.byteLength)
      return Effect.succeed(answer)
    }
    if (this.end === undefined) return Effect.flatMap(this.more, () => this.nextAnswer)
    return this.end === "Last" ? Effect.fail(Option.none()) : Effect.mapError(this.end, Option.some)
  })

  private readonly more: Effect.Effect<void> = callback<void>((resume) => {
    if (!this.waiting.isEmpty || this.end !== undefined) return resume(Effect.void)
    this.resume = () => resume(Effect.void)
    return Effect.sync(() => {
      this.resume = undefined
    })
  })
}
