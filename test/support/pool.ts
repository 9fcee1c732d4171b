/** Numbered items for pool tests, with a record of what happened to them. */
import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import type * as Scope from "#test/Scope"
import * as Deferred from "effect/Deferred"

export interface Item {
  readonly id: number
}

export const makeSource = () => {
  const source = { made: 0, closed: [] as Array<number>, open: new Set<number>() }
  return Object.assign(source, {
    acquire: Effect.acquireRelease(
      Effect.sync((): Item => {
        const item = { id: ++source.made }
        source.open.add(item.id)
        return item
      }),
      (item) =>
        Effect.sync(() => {
          source.open.delete(item.id)
          source.closed.push(item.id)
        })
    )
  })
}

/** Lets a test kill an item. */
export const withDeath = (
  acquire: Effect.Effect<Item, never, Scope.Scope>,
  dead: Map<number, Deferred.Deferred<void>>
): Effect.Effect<Item, never, Scope.Scope> =>
  Effect.tap(acquire, (item) => Effect.map(Deferred.make<void>(), (deferred) => dead.set(item.id, deferred)))

/** Lets every fiber run until it waits for something. */
export const settle = Effect.replicateEffect(Effect.yieldNow(), 51, { discard: true })

/** The failure of an exit, as text. */
export const failureOf = (exit: Exit.Exit<unknown, unknown>): string =>
  Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "it succeeded"
