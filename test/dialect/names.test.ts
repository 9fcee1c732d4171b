/** The names under which other rooms use functions that majors of Effect name differently. */
import * as cause from "#effect/cause"
import * as channel from "#effect/channel"
import * as clock from "#effect/clock"
import * as deferred from "#effect/deferred"
import * as duration from "#effect/duration"
import * as effect from "#effect/effect"
import * as events from "#effect/events"
import * as fibers from "#effect/fiber"
import * as inspect from "#effect/inspect"
import * as latches from "#effect/latch"
import * as layer from "#effect/layer"
import { fork, forkScoped, poolRuntime } from "#effect/poolRuntime"
import * as result from "#effect/result"
import * as streams from "#effect/stream"
import * as Cause from "#test/Cause"
import * as Context from "#test/Context"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Fiber from "#test/Fiber"
import * as Layer from "#test/Layer"
import * as Scope from "#test/Scope"
import * as TestClock from "#test/TestClock"
import * as Tracer from "#test/Tracer"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { can } from "../support/capabilities.js"
import { assert, describe, it } from "../support/vitest.js"

describe("effects", () => {
  it.effect("run one after the other, and handle what they fail with", () =>
    Effect.gen(function*() {
      const order: Array<string> = []
      const step = (name: string) => Effect.sync(() => order.push(name))
      assert.strictEqual(yield* effect.andThen(step("first"), step("second")), 2)
      assert.strictEqual(yield* step("third").pipe(effect.andThen(effect.yieldNow), effect.andThen(step("fourth"))), 4)
      assert.deepStrictEqual(order, ["first", "second", "third", "fourth"])
      assert.strictEqual(yield* effect.catchAll(Effect.fail("no"), Effect.succeed), "no")
      assert.deepStrictEqual(yield* effect.catchCause(Effect.die("no"), Effect.succeed), Cause.die("no"))
      const seen: Array<unknown> = []
      const tapped = effect.tapCause(Effect.fail("no"), (cause) => Effect.sync(() => seen.push(cause)))
      assert.deepStrictEqual(yield* Effect.exit(tapped), Exit.fail("no"))
      assert.deepStrictEqual(seen, [Cause.fail("no")])
    }))

  it.effect("end when a callback is called", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* effect.callback<number>((resume) => resume(Effect.succeed(1))), 1)
      let wasInterrupted = false
      const waiting = effect.callback<never>(() => Effect.sync(() => wasInterrupted = true))
      const fiber = yield* effect.forkChild(waiting)
      yield* effect.yieldNow
      yield* Fiber.interrupt(fiber)
      assert.isTrue(wasInterrupted)
    }))

  it.effect("die of arguments that make no sense, and of functions that throw", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(effect.dieMessage("no such option"))
      const defects = Exit.isFailure(exit) ? [...Cause.defects(exit.cause)] : []
      assert.deepInclude(defects[0], { message: "no such option" })
      const throwing = effect.attempt((text: string): Effect.Effect<number> => {
        throw text
      }, "thrown")
      assert.deepStrictEqual(yield* Effect.exit(throwing), Exit.die("thrown"))
      assert.strictEqual(yield* effect.attempt(Effect.succeed, 1), 1)
    }))

  it.effect("run on fibers of their own; an interruption does not wait for effects that they left behind", () =>
    Effect.gen(function*() {
      const finished = yield* Deferred.make<void>()
      const stuck = Effect.acquireUseRelease(Effect.void, () => Effect.never, () => Deferred.await(finished))
      const fiber = yield* effect.forkChild(effect.disconnect(stuck))
      yield* effect.yieldNow
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
      yield* Deferred.succeed(finished, undefined)
      const detached = yield* effect.forkDetach(Effect.succeed(1))
      assert.strictEqual(yield* Fiber.join(detached), 1)
    }))

  it.effect("use a scope that they are given", () =>
    Effect.gen(function*() {
      const scope: effect.CloseableScope = yield* Scope.make()
      let isClosed = false
      const acquire = Effect.acquireRelease(Effect.succeed("item"), () => Effect.sync(() => isClosed = true))
      assert.strictEqual(yield* effect.provideScope(acquire, scope), "item")
      assert.isFalse(isClosed)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(isClosed)
    }))

  it.effect("use a scope that is closed before another one, or with it", () =>
    Effect.gen(function*() {
      const order: Array<string> = []
      const parent = yield* Scope.make()
      const [early, late] = [yield* effect.forkScope(parent), yield* effect.forkScope(parent)]
      for (const [name, scope] of [["early", early], ["late 1", late], ["late 2", late]] as const) {
        yield* Scope.addFinalizer(scope, Effect.sync(() => order.push(name)))
      }
      yield* Scope.close(early, Exit.void)
      assert.deepStrictEqual(order, ["early"])
      yield* Scope.close(parent, Exit.void)
      assert.deepStrictEqual(order, ["early", "late 2", "late 1"])
    }))

  it.effect("fail when their time is over", () =>
    Effect.gen(function*() {
      const options = { duration: "1 second", onTimeout: () => "too late" } as const
      const fiber = yield* effect.forkChild(Effect.exit(effect.timeoutFail(Effect.never, options)))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(fiber), Exit.fail("too late"))
      assert.strictEqual(yield* effect.timeoutFail(Effect.succeed(1), options), 1)
    }))
})

describe("fibers", () => {
  it.effect("give themselves, and their state, to what they run", () =>
    Effect.gen(function*() {
      const seen = fibers.withFiberState<readonly [fibers.AnyFiber, unknown]>((...args) => Effect.succeed(args))
      const running = yield* effect.forkChild(seen)
      const [fiber, state] = yield* Fiber.join(running)
      assert.strictEqual(fiber, running)
      // the fiber itself tells in Effect 4
      assert.strictEqual(
        (state as { readonly _tag?: string } | undefined)?._tag,
        can("hasFiberStatus") ? "Running" : undefined
      )
    }))

  it.effect("tell their name, their span and the annotations of their logs", () =>
    Effect.gen(function*() {
      const describe = (fiber: fibers.AnyFiber) => ({
        annotations: fibers.logAnnotationsOf(fiber),
        name: fibers.nameOf(fiber),
        span: Option.map(fibers.spanOf(fiber), (span) => span._tag === "Span" ? span.name : span.spanId)
      })
      const known = fibers.withFiber<ReturnType<typeof describe>>((fiber) => Effect.succeed(describe(fiber)))
      const within = yield* known.pipe(Effect.withSpan("outer"), Effect.annotateLogs("key", "value"))
      assert.deepInclude(within, { annotations: { key: "value" }, span: Option.some("outer") })
      assert.match(within.name, /^#\d+$/)
    }))

  it.effect("are interrupted, and go on, from plain code", () =>
    Effect.gen(function*() {
      const fiber: fibers.RunningFiber<never, never> = yield* Effect.fork(Effect.never)
      yield* effect.yieldNow
      fibers.interruptFiber(fiber)
      fibers.interruptFiber(undefined)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.await(fiber)))
      assert.deepStrictEqual(Exit.interrupt(fibers.noFiber), cause.interrupted)
      let resume: () => void = () => undefined
      const waiting = yield* Effect.fork(
        effect.callback<number>((callback) => {
          resume = () => callback(Effect.succeed(1))
        })
      )
      yield* effect.yieldNow
      resume()
      assert.strictEqual(yield* Fiber.join(waiting), 1)
    }))
})

describe("causes", () => {
  it("tell what is in them", () => {
    const interruption = Cause.interrupt(fibers.noFiber)
    assert.isTrue(cause.isInterruptedOnly(interruption))
    assert.isFalse(cause.isInterruptedOnly(cause.combine(interruption, Cause.die("no"))))
    assert.isTrue(cause.hasInterrupts(cause.combine(interruption, Cause.die("no"))))
    assert.isTrue(cause.hasDies(cause.combine(Cause.fail("no"), Cause.die("no"))))
    assert.isFalse(cause.hasDies(Cause.fail("no")))
    assert.deepStrictEqual(cause.findError(cause.combine(Cause.die("no"), Cause.fail("error"))), Option.some("error"))
    assert.deepInclude(Option.getOrThrow(cause.findError(cause.timeout("too late"))), { message: "too late" })
  })
})

describe("deferreds, latches and semaphores", () => {
  it.effect("are made and ended by plain code", () =>
    Effect.gen(function*() {
      const made = deferred.makeDeferred<number>()
      deferred.complete(made, Effect.succeed(1))
      deferred.complete(made, Effect.succeed(2))
      assert.strictEqual(yield* Deferred.await(made), 1)
      const other = deferred.makeDeferred<never, string>()
      assert.isTrue(yield* deferred.into(Effect.fail("no"), other))
      assert.deepStrictEqual(yield* Effect.exit(Deferred.await(other)), Exit.fail("no"))
      const latch: latches.Latch = latches.makeLatch()
      const fiber = yield* Effect.fork(latch.await)
      yield* effect.yieldNow
      assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
      latches.openLatch(latch)
      yield* Fiber.join(fiber)
      latches.closeLatch(latch)
      const held = yield* Effect.fork(latch.await)
      yield* effect.yieldNow
      assert.isTrue(Option.isNone(yield* Fiber.poll(held)))
      yield* Fiber.interrupt(held)
      const semaphore: latches.Semaphore = latches.makeSemaphore(1)
      assert.deepStrictEqual(
        yield* semaphore.withPermits(1)(semaphore.withPermitsIfAvailable(1)(Effect.void)),
        Option.none()
      )
    }))
})

describe("durations and clocks", () => {
  it.effect("are read by plain code", () =>
    Effect.gen(function*() {
      const input: duration.DurationInput = "5 seconds"
      assert.strictEqual(Duration.toMillis(duration.durationOf(input)), 5000)
      assert.deepStrictEqual(duration.decodeDuration(input), Option.some(Duration.seconds(5)))
      assert.isTrue(Option.isNone(duration.decodeDuration("soon")))
      assert.isTrue(duration.isLessThan("1 second", input))
      assert.isFalse(duration.isLessThan(input, 5000))
      const current = yield* clock.currentClock
      yield* TestClock.adjust("2 millis")
      assert.strictEqual(clock.millisOf(current), 2)
      assert.strictEqual(clock.nanosOf(current), 2_000_000n)
    }))
})

class Number_ extends Context.Tag("test/Number")<Number_, number>() {}

describe("layers", () => {
  it.effect("close what they are made of", () =>
    Effect.gen(function*() {
      let closed = 0
      const acquire = Effect.acquireRelease(Effect.succeed(1), () => Effect.sync(() => closed++))
      const layers = [
        layer.scoped(Number_, acquire),
        layer.scopedContext(Effect.map(acquire, (number) => Context.make(Number_, number))),
        layer.unwrap(Effect.succeed(Layer.scoped(Number_, acquire)))
      ]
      for (const one of layers) assert.strictEqual(yield* Effect.provide(Number_, one), 1)
      assert.strictEqual(closed, layers.length)
    }))
})

describe("results", () => {
  it("are a value or an error", () => {
    const show = (of: result.Result<number, string>): string =>
      result.match(of, { onSuccess: (value) => `value ${value}`, onFailure: (error) => `error ${error}` })
    assert.strictEqual(show(result.succeed(1)), "value 1")
    assert.strictEqual(show(result.fail("no")), "error no")
    assert.isTrue(result.isSuccess(result.succeed(1)) && result.isFailure(result.fail("no")))
    assert.isFalse(result.isSuccess(result.fail("no")) || result.isFailure(result.succeed(1)))
  })

  it.effect("are the outcomes of effects", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* result.toEffect(result.succeed(1)), 1)
      assert.deepStrictEqual(yield* Effect.exit(result.toEffect(result.fail("no"))), Exit.fail("no"))
    }))
})

describe("streams", () => {
  it.effect("bring what an effect yields until it yields none, or fails", () =>
    Effect.gen(function*() {
      const countTo = (last: number, end: Option.Option<string>) => {
        let count = 0
        return streams.repeatEffectOption(
          Effect.suspend(() => count < last ? Effect.succeed(++count) : Effect.fail(end))
        )
      }
      assert.deepStrictEqual([...yield* Stream.runCollect(countTo(3, Option.none()))], [1, 2, 3])
      const seen: Array<number> = []
      const failing = Stream.runForEach(countTo(2, Option.some("no")), (value) => Effect.sync(() => seen.push(value)))
      assert.deepStrictEqual(yield* Effect.exit(failing), Exit.fail("no"))
      assert.deepStrictEqual(seen, [1, 2])
    }))

  it.effect("keep the scope of the effect that makes them until they end", () =>
    Effect.gen(function*() {
      let isOpen = false
      const acquire = Effect.acquireRelease(
        Effect.sync(() => isOpen = true),
        () => Effect.sync(() => isOpen = false)
      )
      const stream = streams.unwrap(
        Effect.as(acquire, Stream.map(Stream.make(1, 2), () => isOpen))
      )
      assert.deepStrictEqual([...yield* Stream.runCollect(stream)], [true, true])
      assert.isFalse(isOpen)
    }))

  it.effect("bring what is announced while they run, the last of it", () =>
    Effect.gen(function*() {
      const listeners = new Set<events.Listener<number>>()
      const stream = events.announced<number>(2, (listener) => {
        listeners.add(listener)
        for (let i = 1; i <= 5; i++) listener.offer(i)
        listener.end()
        return () => listeners.delete(listener)
      })
      assert.deepStrictEqual([...yield* Stream.runCollect(stream)], [4, 5])
      assert.strictEqual(listeners.size, 0)
    }))

  /** Decodes pairs of input values; zero is an error. */
  const pairs = (): channel.Decoder<number, readonly [number, number], string> => {
    const input: Array<number> = []
    let isEnded = false
    return {
      push: (value) => void input.push(value),
      end: () => void (isEnded = true),
      next: () => {
        if (input[0] === 0) return { _tag: "Failure", error: "zero" }
        if (input.length < 2) {
          return isEnded && input.length === 1 ? { _tag: "Failure", error: "half a pair" } : { _tag: "Missing" }
        }
        return { _tag: "Value", value: [input.shift()!, input.shift()!] }
      }
    }
  }

  const decode = <E>(input: Stream.Stream<number, E>) =>
    channel.decodeStream(input, 2, pairs).pipe(
      Stream.chunks,
      Stream.map((chunk) => [...chunk]),
      Stream.runCollect,
      Effect.map((chunks) => [...chunks])
    )

  it.effect("decode another stream, a batch at a time", () =>
    Effect.gen(function*() {
      const six = yield* decode(Stream.range(1, 6, 100))
      assert.deepStrictEqual(six, [[[1, 2], [3, 4]], [[5, 6]]])
      assert.deepStrictEqual(yield* decode(Stream.range(1, 4, 1)), [[[1, 2]], [[3, 4]]])
      assert.deepStrictEqual(yield* decode(Stream.empty), [])
      assert.deepStrictEqual(yield* Effect.exit(decode(Stream.make(1, 2, 3))), Exit.fail("half a pair"))
      assert.deepStrictEqual(yield* Effect.exit(decode(Stream.make(1, 2, 0))), Exit.fail("zero"))
      assert.deepStrictEqual(
        yield* Effect.exit(decode(Stream.concat(Stream.make(1, 2), Stream.fail("broken")))),
        Exit.fail("broken")
      )
    }))
})

describe("a pool's runtime", () => {
  it.effect("runs fibers that see what their maker sees, but for its span and its scope", () =>
    Effect.gen(function*() {
      const runtime = yield* poolRuntime.pipe(
        Effect.provideService(Number_, 7),
        Effect.withSpan("maker"),
        Effect.scoped
      )
      assert.isTrue(runtime.hasFrames)
      assert.isFalse(runtime.isTraced)
      let hasBegun = false
      const seen = Effect.map(Effect.context<never>(), (context) => {
        hasBegun = true
        return {
          number: Context.getOption(context as Context.Context<Number_>, Number_),
          scope: Context.getOption(context as Context.Context<Scope.Scope>, Scope.Scope),
          span: Context.getOption(context as Context.Context<Tracer.ParentSpan>, Tracer.ParentSpan)
        }
      })
      const fiber = fork(runtime, seen)
      assert.isFalse(hasBegun)
      const nothing = Option.none()
      assert.deepStrictEqual(yield* Fiber.join(fiber), { number: Option.some(7), scope: nothing, span: nothing })
      const masked = fork(runtime, Effect.checkInterruptible(Effect.succeed))
      assert.isFalse(yield* Fiber.join(masked))
    }))

  it.effect("tells how a fiber ended after its scope is closed", () =>
    Effect.gen(function*() {
      const runtime = yield* poolRuntime
      const order: Array<unknown> = []
      const run = (body: Effect.Effect<number, string>, finalizer: Effect.Effect<void>) =>
        Fiber.join(
          forkScoped(
            runtime,
            effect.andThen(
              Effect.addFinalizer(() => effect.andThen(Effect.sync(() => order.push("closed")), finalizer)),
              body
            ),
            (exit) => order.push(exit)
          )
        )
      yield* run(Effect.succeed(1), Effect.void)
      yield* run(Effect.fail("no"), Effect.void)
      yield* run(Effect.succeed(1), Effect.die("stuck"))
      assert.deepStrictEqual(
        order,
        ["closed", Exit.succeed(1), "closed", Exit.fail("no"), "closed", Exit.die("stuck")]
      )
    }))
})

describe("values", () => {
  it("show themselves as text", () => {
    assert.deepStrictEqual(JSON.parse(inspect.format({ a: 1 })), { a: 1 })
    assert.strictEqual(inspect.inspectSymbol, Symbol.for("nodejs.util.inspect.custom"))
  })

  it("show what toJSON returns", () => {
    class Shown extends inspect.InspectableClass {
      readonly secret = "hidden"

      toJSON(): object {
        return { _id: "Shown" }
      }
    }
    const shown = new Shown()
    assert.deepStrictEqual(shown[inspect.inspectSymbol](), { _id: "Shown" })
    assert.strictEqual(String(shown), inspect.format({ _id: "Shown" }))
  })
})
