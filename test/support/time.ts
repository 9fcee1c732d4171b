/**
 * For tests on the TestClock that have real servers: no time passes but what they let pass, however long the machine
 * takes.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as TestContext from "effect/TestContext"
import { live, soon } from "./soon.js"
import { quiet } from "./streams.js"

const step = 10

/** Lets so many milliseconds pass, a few at a time, so that what they end can begin what follows. */
export const pass = (millis: number): Effect.Effect<void> =>
  Effect.zipRight(
    quiet,
    Effect.repeatN(Effect.zipRight(TestClock.adjust(step), quiet), Math.max(Math.ceil(millis / step) - 1, 0))
  )

/** Steps of a chain of timers begin up to so much later than the one before has ended. */
const slack = 100

/** Ends, or has ended, when so many milliseconds have passed. */
export const within = (millis: number) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    yield* pass(millis + slack)
    return yield* Fiber.join(fiber)
  }).pipe(soon)

/** Time that passes by itself, more slowly than the machine's. */
const flowing = Effect.forever(Effect.zipRight(pass(step), live(Effect.sleep(3 * step))))

/** Lets time pass until the effect has ended: for what tries again and again. */
export const flow = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.fork(Effect.interruptible(flowing)),
    () => effect,
    (fiber) => Fiber.interrupt(fiber)
  ).pipe(soon)

/**
 * A test with a scope of its own, at whose end time passes by itself: what is closed may need some. It has a TestClock
 * whatever runs it: what `layer` of @effect/vitest 0.30 was told holds for every `it` that is collected later.
 */
export const onTestClock = <A, E, R>(test: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Scope.Scope>> =>
  Effect.acquireUseRelease(
    Scope.make(),
    (scope) => Scope.extend(test, scope),
    (scope, exit) => Effect.orDie(flow(Scope.close(scope, exit)))
  ).pipe(Effect.provide(TestContext.TestContext))
