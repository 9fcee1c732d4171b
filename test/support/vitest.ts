/**
 * Tests that are effects, for all majors of Effect. @effect/vitest of Effect 4 needs a vitest that needs a newer Node; that
 * of Effect 3 gives the services of a `layer` to every test that is collected later.
 */
import * as Effect from "#test/Effect"
import * as Layer from "#test/Layer"
import * as Logger from "#test/Logger"
import * as Scope from "#test/Scope"
import { TestContext } from "#test/TestContext"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import { afterAll, beforeAll, describe, it as plain, type TestContext as Context, type TestOptions } from "vitest"
import { beginAttempt } from "./attempts.js"

export { afterAll, assert, beforeAll, describe, expect } from "vitest"

type Options = number | TestOptions

interface Tester<R> {
  (name: string, test: (context: Context) => Effect.Effect<unknown, unknown, R>, options?: Options): void
  each<T>(
    cases: ReadonlyArray<T>
  ): (name: string, test: (one: T) => Effect.Effect<unknown, unknown, R>, options?: Options) => void
}

interface It<R> {
  (name: string, test: () => unknown, options?: Options): void
  readonly each: typeof plain.each
  /** On the TestClock. */
  readonly effect: Tester<R>
  /** On the TestClock, with a scope of the test's own. */
  readonly scoped: Tester<R | Scope.Scope>
  readonly live: Tester<R>
  readonly scopedLive: Tester<R | Scope.Scope>
}

const optionsOf = (options: Options = {}): TestOptions => typeof options === "number" ? { timeout: options } : options

type Provide<R> = <A, E>(test: Effect.Effect<A, E, R>) => Effect.Effect<A, E>

const tester = <R>(provide: Provide<R>): Tester<R> => {
  const run = async (test: () => Effect.Effect<unknown, unknown, R>, { signal, task }: Context) => {
    beginAttempt(task.result?.retryCount ?? 0)
    const exit = await Effect.runPromiseExit(provide(Effect.suspend(test)), { signal })
    // the defect itself: vitest shows what an assertion expected
    if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
  }
  return Object.assign(
    (...[name, test, options]: Parameters<Tester<R>>) =>
      plain(name, optionsOf(options), (context) => run(() => test(context), context)),
    {
      each:
        <T>(cases: ReadonlyArray<T>) =>
        (name: string, test: (one: T) => Effect.Effect<unknown, unknown, R>, options?: Options) =>
          plain.for(cases)(name, optionsOf(options), (one, context) => run(() => test(one), context))
    }
  )
}

const makeIt = <R>(onTestClock: Provide<R>, live: Provide<R>): It<R> =>
  Object.assign(
    (name: string, test: () => unknown, options?: Options) => plain(name, optionsOf(options), test),
    {
      each: plain.each,
      effect: tester(onTestClock),
      scoped: tester<R | Scope.Scope>((test) => onTestClock(Effect.scoped(test) as Effect.Effect<any, any, R>)),
      live: tester(live),
      scopedLive: tester<R | Scope.Scope>((test) => live(Effect.scoped(test) as Effect.Effect<any, any, R>))
    }
  )

const TestLive = Layer.merge(TestContext, Logger.replace(Logger.defaultLogger, Logger.make(() => undefined)))

export const it = makeIt<never>(Effect.provide(TestLive), (test) => test)

/** Tests that share what a layer makes; without `excludeTestServices` that is on the TestClock, too. */
export const layer = <R, E>(
  shared: Layer.Layer<R, E>,
  { excludeTestServices = false }: { readonly excludeTestServices?: boolean } = {}
) => {
  const tests = (f: (it: It<R>) => void): void => {
    const scope = Effect.runSync(Scope.make())
    const context = Effect.runSync(
      Effect.cached(Layer.buildWithScope(excludeTestServices ? shared : Layer.provideMerge(shared, TestLive), scope))
    )
    const provide: Provide<R> = (test) =>
      Effect.flatMap(Effect.orDie(context), (context) => Effect.provide(test, context))
    beforeAll(() => Effect.runPromise(Effect.asVoid(context)))
    afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
    f(makeIt(provide, provide))
  }
  return (...[name, f]: [name: string, f: (it: It<R>) => void] | [f: (it: It<R>) => void]): void => {
    if (typeof name === "string") describe(name, () => tests(f!))
    else describe("", () => tests(name))
  }
}
