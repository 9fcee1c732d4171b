/** Lets callers wait until the pool is ready, drained, or closed. */
import { complete, makeDeferred } from "#effect/deferred"
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { PoolError } from "../../PoolError.js"
import type { Refusal } from "../core/pool/item.js"
import type { Refusals } from "./refusals.js"

export class PoolEnds<A, E, V> {
  private readonly refusals: Refusals<A, E, V>
  private readonly whenDrained = makeDeferred<void>()
  private readonly whenClosed = makeDeferred<void>()
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
    return Deferred.await(this.whenDrained)
  }

  awaitClosed(): Effect.Effect<void> {
    return Deferred.await(this.whenClosed)
  }

  reached(refusal: Refusal<Cause.Cause<E>> | undefined): void {
    const { whenReady } = this
    this.whenReady = undefined
    if (whenReady === undefined) return
    complete(whenReady, refusal === undefined ? Effect.void : this.refusals.refused(refusal, 0))
  }

  drained(): void {
    complete(this.whenDrained, Effect.void)
  }

  closed(): void {
    complete(this.whenClosed, Effect.void)
  }
}
