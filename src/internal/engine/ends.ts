/** Lets callers wait until the pool is ready, drained, or closed. */
import { complete, makeDeferred } from "#effect/deferred"
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { PoolError } from "../../PoolError.js"
import type { Refusal } from "../core/pool/item.js"
import type { Refusals } from "./refusals.js"

/** What comes once. */
class End {
  private isReached = false
  /** Made for the first caller that waits. */
  private reached: Deferred.Deferred<void> | undefined = undefined

  wait(): Effect.Effect<void> {
    return this.isReached ? Effect.void : Deferred.await(this.reached ??= makeDeferred())
  }

  reach(): void {
    this.isReached = true
    if (this.reached !== undefined) complete(this.reached, Effect.void)
  }
}

export class PoolEnds<A, E, V> {
  private readonly refusals: Refusals<A, E, V>
  private readonly whenDrained = new End()
  private readonly whenClosed = new End()
  /** Set while a caller waits. */
  private whenReady: Deferred.Deferred<void, E | PoolError> | undefined = undefined

  constructor(refusals: Refusals<A, E, V>) {
    this.refusals = refusals
  }

  /** Completes with the next `reached`. */
  awaitReady(): Effect.Effect<void, E | PoolError> {
    return Deferred.await(this.whenReady ??= makeDeferred<void, E | PoolError>())
  }

  awaitDrained(): Effect.Effect<void> {
    return this.whenDrained.wait()
  }

  awaitClosed(): Effect.Effect<void> {
    return this.whenClosed.wait()
  }

  reached(refusal: Refusal<Cause.Cause<E>> | undefined): void {
    const { whenReady } = this
    this.whenReady = undefined
    if (whenReady === undefined) return
    complete(whenReady, refusal === undefined ? Effect.void : this.refusals.refused(refusal, 0))
  }

  drained(): void {
    this.whenDrained.reach()
  }

  closed(): void {
    this.whenClosed.reach()
  }
}
