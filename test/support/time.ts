/**
 * For tests on the TestClock with real servers: only the test lets time pass, however long the machine takes.
 */
import * as Effect from "#test/Effect"
import * as Fiber from "#test/Fiber"
import * as Scope from "#test/Scope"
import * as TestClock from "#test/TestClock"
import * as TestContext from "#test/TestContext"
import { live, soon } from "./soon.js"
import { quiet } from "./streams.js"

const step = 10

/** Lets `millis` pass, a few milliseconds at a time, so that a timer that ends can start the next. */
export const pass = (millis: number): Effect.Effect<void> =>
  Effect.andThen(
    quiet,
    Effect.replicateEffect(Effect.andThen(TestClock.adjust(step), quiet), Math.max(Math.ceil(millis / step), 1), {
      discard: true
    })
  )

/** In a chain of timers, a step may begin this many milliseconds after the step before has ended. */
const slack = 100

/** Requires that the effect ends while `millis` pass. */
export const within = (millis: number) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    yield* pass(millis + slack)
    return yield* Fiber.join(fiber)
  }).pipe(soon)

/** Time that passes by itself, slower than real time. */
const flowing = Effect.forever(Effect.andThen(pass(step), live(Effect.sleep(3 * step))))

/** Lets time pass until the effect has ended, for effects that retry. */
export const flow = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.fork(Effect.interruptible(flowing)),
    () => effect,
    (fiber) => Fiber.interrupt(fiber)
  ).pipe(soon)

/**
 * A test with its own scope. At the end of the scope time passes by itself, since closing may need time. The test always has
 * a TestClock: the options of a `layer` of @effect/vitest 0.30 apply to every `it` that is collected later.
 */
export const onTestClock = <A, E, R>(test: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Scope.Scope>> =>
  Effect.acquireUseRelease(
    Scope.make(),
    (scope) => Scope.extend(test, scope),
    (scope, exit) => Effect.orDie(flow(Scope.close(scope, exit)))
  ).pipe(Effect.provide(TestContext.TestContext))
