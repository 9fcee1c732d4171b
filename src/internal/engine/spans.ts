/** The spans of a pool: the wait of a borrower, the creation and the closing of an item. */
import { type AnyFiber, spanOf, tracerOf } from "#effect/fiber"
import { isTraced, withSpan } from "#effect/tracing"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"

export class PoolSpans {
  private readonly module: string
  private readonly pool: string
  /** Whether a tracer receives spans of the pool's own fibers. */
  private readonly isTraced: boolean

  constructor(module: string, pool: string, isTraced: boolean) {
    this.module = module
    this.pool = pool
    this.isTraced = isTraced
  }

  /** Whether a tracer receives spans of this borrower. */
  seesWait(borrower: AnyFiber): boolean {
    return isTraced(tracerOf(borrower))
  }

  wait<E>(wait: Effect.Effect<void, E>): Effect.Effect<void, E> {
    return withSpan(wait, `${this.module}.wait`, this.options({}))
  }

  /** The span links to the borrower that caused the creation: that borrower may leave, and another may get the item. */
  create<A, E>(
    acquire: Effect.Effect<A, E, Scope.Scope>,
    borrower: AnyFiber | undefined
  ): Effect.Effect<A, E, Scope.Scope> {
    const span = borrower === undefined ? Option.none() : spanOf(borrower)
    const linked = Option.isSome(span) ? Effect.linkSpans(span.value) : identity
    if (!this.isTraced) return linked(acquire)
    // the item's own fibers outlive this span
    return linked(withSpan(acquire, `${this.module}.create`, { ...this.options({}), root: true }))
  }

  close(close: Effect.Effect<void>, reason: string): Effect.Effect<void> {
    return this.isTraced
      ? withSpan(close, `${this.module}.close`, { ...this.options({ reason }), root: true })
      : close
  }

  private options(attributes: Record<string, unknown>): Tracer.SpanOptions {
    return { attributes: { pool: this.pool, ...attributes }, captureStackTrace: false }
  }
}
