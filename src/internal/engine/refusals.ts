/** The failures of borrowers that get no item. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { PoolError, type Reason } from "../../PoolError.js"
import type { Refusal } from "../core/pool/item.js"
import * as texts from "../observe/poolTexts.js"
import { withoutStack } from "../observe/withoutStack.js"
import type { PoolParts } from "./parts.js"

interface More {
  /** How long the borrower waited, in milliseconds. */
  readonly waited?: number
  readonly detail?: string | undefined
  readonly cause?: unknown
}

interface RefusingParts<A, E, V> extends PoolParts<A, E, V> {
  /** The failure of the last creation of this pool, during an outage. */
  readonly ownFailure: Cause.Cause<unknown> | undefined
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
      case "AcquireTimeout":
        return Effect.fail(this.error("AcquireTimeout", { waited, ...this.wait(refusal.awaited) }))
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

  /** What borrowers wait for now, and the failure that is the reason. */
  wait(awaited = this.parts.machine.awaited): texts.Wait {
    const { adapter, machine, ownFailure, whole } = this.parts
    switch (awaited) {
      case "queue":
        return { detail: undefined }
      case "check": {
        const hooks = [...(adapter.validate ? ["validate"] : []), ...(adapter.ping ? ["keepAlive.ping"] : [])]
        return { detail: texts.stillChecking(machine.policy.checkTimeout, hooks) }
      }
      case "permit": {
        const { isTold, wait } = whole!.gateWait
        // a source that does not tell may still fail as it did before
        if (isTold || ownFailure === undefined) return wait
        const cause = Cause.squash(ownFailure)
        return { detail: `${wait.detail} ${texts.lastAttemptFailed(cause)}`, cause }
      }
      case "creation": {
        const { below } = adapter
        if (below !== undefined && (below.waiting > 0 || below.lastFailure !== undefined)) return below.described
        const stillCreating = adapter.stillCreating ?? texts.stillCreating
        if (ownFailure === undefined) return { detail: stillCreating }
        const cause = Cause.squash(ownFailure)
        const last = texts.lastCreationFailed(cause)
        return { detail: machine.creating > 0 ? `${stillCreating} ${last}` : last, cause }
      }
    }
  }

  /** The same, with the state of this pool: for borrowers of a pool that is built on this one. */
  get described(): texts.Wait {
    const { cause, detail } = this.wait()
    return { detail: texts.describeWait(this.error("AcquireTimeout", { detail })), cause }
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
        ...(cause === undefined ? {} : { cause })
      })
    )
  }
}
