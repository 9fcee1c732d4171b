/** Permits of a limit that several pools share, first come, first served; the test takes them away. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import type * as Scope from "#test/Scope"
import type * as ResourcePool from "effect-pools/ResourcePool"
import * as Deferred from "effect/Deferred"
import * as Stream from "effect/Stream"

export interface TestPermit {
  /** The permit is about to end. */
  readonly lose: Effect.Effect<unknown>
  /** The permit has ended. */
  readonly expire: Effect.Effect<unknown>
  /** Others want so many permits. Once for each permit. */
  readonly want: (count: number) => Effect.Effect<unknown>
}

export const makeLimit = (limit: number) => {
  const queue: Array<Deferred.Deferred<void>> = []
  const state = {
    free: limit,
    permits: [] as Array<TestPermit>,
    get waiting() {
      return queue.length
    },
    raise: (by: number) => {
      for (let i = 0; i < by; i++) giveBack()
    }
  }
  const wait = Effect.gen(function*() {
    const turn = yield* Deferred.make<void>()
    queue.push(turn)
    return yield* Effect.onInterrupt(Deferred.await(turn), () =>
      Effect.sync(() => {
        const at = queue.indexOf(turn)
        if (at >= 0) queue.splice(at, 1)
        else giveBack()
      }))
  })
  const take = Effect.suspend(() => {
    if (state.free === 0) return wait
    state.free--
    return Effect.void
  })
  const giveBack = () => {
    const next = queue.shift()
    if (next === undefined) state.free++
    else Effect.runFork(Deferred.succeed(next, undefined))
  }
  const permit: Effect.Effect<ResourcePool.Permit, never, Scope.Scope> = Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      yield* Effect.acquireRelease(restore(take), () => Effect.sync(giveBack))
      const lost = yield* Deferred.make<void>()
      const expired = yield* Deferred.make<void>()
      const wanted = yield* Deferred.make<number>()
      state.permits.push({
        lose: Deferred.done(lost, Exit.void),
        expire: Deferred.done(expired, Exit.void),
        want: (count) => Deferred.done(wanted, Exit.succeed(count))
      })
      return {
        lost: Deferred.await(lost),
        expired: Deferred.await(expired),
        wanted: Stream.fromEffect(Deferred.await(wanted))
      }
    })
  )
  return { state, permit }
}
