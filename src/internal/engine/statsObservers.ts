/** Lets callers wait until the figures of a pool are as they want them. */
import { complete, makeDeferred } from "#effect/deferred"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { PoolError } from "../../PoolError.js"

interface Observer<S> {
  readonly predicate: (stats: S) => boolean
  readonly met: Deferred.Deferred<S, PoolError>
}

export class StatsObservers<S> {
  private readonly observers = new Set<Observer<S>>()
  private readonly read: () => S
  /** Called with true before the first observer, with false after the last one. */
  private readonly observe: (isObserved: boolean) => void
  /** The failure of those who wait when the pool has closed; `undefined` until then. */
  private readonly closed: () => Effect.Effect<never, PoolError> | undefined

  constructor(
    read: () => S,
    observe: (isObserved: boolean) => void,
    closed: () => Effect.Effect<never, PoolError> | undefined
  ) {
    this.read = read
    this.observe = observe
    this.closed = closed
  }

  await(predicate: (stats: S) => boolean): Effect.Effect<S, PoolError> {
    return Effect.acquireUseRelease(
      Effect.sync(() => this.add({ predicate, met: makeDeferred() })),
      ({ met }) => Deferred.await(met),
      (observer) => Effect.sync(() => this.remove(observer))
    )
  }

  /** Call it when figures may have changed, and when the pool has closed. */
  changed(): void {
    if (this.observers.size === 0) return
    const stats = this.read()
    for (const observer of this.observers) this.ask(observer, stats)
  }

  private add(observer: Observer<S>): Observer<S> {
    if (this.observers.size === 0) this.observe(true)
    this.observers.add(observer)
    this.ask(observer, this.read())
    return observer
  }

  private remove(observer: Observer<S>): void {
    if (this.observers.delete(observer) && this.observers.size === 0) this.observe(false)
  }

  /** A predicate that throws fails its own effect, not the borrower whose step this is. */
  private ask(observer: Observer<S>, stats: S): void {
    let outcome: Effect.Effect<S, PoolError> | undefined
    try {
      outcome = observer.predicate(stats) ? Exit.succeed(stats) : this.closed()
    } catch (defect) {
      outcome = Exit.die(defect)
    }
    if (outcome === undefined) return
    this.remove(observer)
    complete(observer.met, outcome)
  }
}
