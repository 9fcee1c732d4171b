/** The failures of borrowers that get no item. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { PoolError, type Reason } from "../../PoolError.js"
import type { Awaited, Refusal } from "../core/pool/item.js"
import * as texts from "../observe/poolTexts.js"
import { withoutStack } from "../observe/withoutStack.js"
import type { PoolParts } from "./parts.js"

interface More {
  /** How long the borrower waited, in milliseconds. */
  readonly waited?: number
  readonly detail?: string | undefined
  readonly cause?: Cause.Cause<unknown> | undefined
}

interface RefusingParts<A, E, V> extends PoolParts<A, E, V> {
  /** The failure of the last creation, during an outage. */
  readonly lastFailure: Cause.Cause<unknown> | undefined
}

export class Refusals<A, E, V> {
  private readonly parts: RefusingParts<A, E, V>

  constructor(parts: RefusingParts<A, E, V>) {
    this.parts = parts
  }

  /** The failure of a borrower that the machine refused. */
  refused(refusal: Refusal<Cause.Cause<E>>, waited: number): Effect.Effect<never, E | PoolError> {
    switch (refusal._tag) {
      case "CreateFailed":
        return Effect.failCause(refusal.failure)
      case "CreateTimeout":
        return Effect.fail(this.error("CreateTimeout", { waited, detail: this.tookTooLong }))
      case "AcquireTimeout": {
        const more = { waited, detail: this.spentOn(refusal.awaited), cause: this.parts.lastFailure }
        return Effect.fail(this.error("AcquireTimeout", more))
      }
      case "PoolClosed":
        return this.poolClosed(waited)
    }
  }

  poolClosed(waited: number): Effect.Effect<never, PoolError> {
    const isDrained = this.parts.machine.state === "Draining"
    return Effect.fail(this.error("PoolClosed", { waited, detail: isDrained ? texts.drained : undefined }))
  }

  queueFull(): Effect.Effect<never, PoolError> {
    return Effect.fail(this.error("QueueFull", { detail: texts.queueIsFull(this.parts.machine.policy.maxWaiters) }))
  }

  /** Why a creation failed. */
  causeOf(refusal: Refusal<Cause.Cause<E>>): Cause.Cause<E | PoolError> {
    return refusal._tag === "CreateFailed"
      ? refusal.failure
      : Cause.fail(this.error("CreateTimeout", { detail: this.tookTooLong }))
  }

  get tookTooLong(): string {
    return texts.creatingTookTooLong(this.parts.machine.policy.createTimeout)
  }

  /** How the time was spent, if the figures of the pool do not tell. */
  private spentOn(awaited: Awaited): string | undefined {
    const cause = this.parts.lastFailure
    if (cause !== undefined) return texts.lastCreationFailed(Cause.squash(cause))
    if (awaited === "creation") return texts.stillCreating
    if (awaited === "permit") return this.parts.whole?.gateText
    if (awaited !== "check") return undefined
    const { adapter, machine } = this.parts
    const hooks = [...(adapter.validate ? ["validate"] : []), ...(adapter.ping ? ["keepAlive.ping"] : [])]
    return texts.stillChecking(machine.policy.checkTimeout, hooks)
  }

  private error(reason: Reason, { cause, detail, waited = 0 }: More): PoolError {
    const { creating, inUse, live, renewing, sizes, waiters } = this.parts.machine
    return withoutStack(() =>
      new PoolError({
        reason,
        pool: this.parts.name,
        waited: Duration.millis(Math.round(waited)),
        size: live - renewing,
        maxSize: sizes.maxSize,
        inUse,
        creating,
        waiters: waiters.length,
        detail,
        ...(cause === undefined ? {} : { cause: Cause.squash(cause) })
      })
    )
  }
}
