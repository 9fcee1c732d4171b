import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as References from "effect/References"
import * as Scheduler from "effect/Scheduler"

export * from "effect/Effect"

export {
  callback as async,
  catchCause as catchAllCause,
  forkChild as fork,
  forkDetach as forkDaemon,
  result as either,
  tapCause as tapErrorCause
} from "effect/Effect"

export const checkInterruptible = <A, E, R>(
  f: (isInterruptible: boolean) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => f((fiber as unknown as { readonly interruptible: boolean }).interruptible))

export const clock: Effect.Effect<Clock.Clock> = Effect.clockWith(Effect.succeed)

export const dieMessage = (message: string): Effect.Effect<never> => Effect.die(new Error(message))

export const yieldNow = (): Effect.Effect<void> => Effect.yieldNow

interface With<X> {
  (x: X): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(effect: Effect.Effect<A, E, R>, x: X): Effect.Effect<A, E, R>
}

export const withClock: With<Clock.Clock> = dual(
  2,
  <A, E, R>(effect: Effect.Effect<A, E, R>, clock: Clock.Clock) => Effect.provideService(effect, Clock.Clock, clock)
)

export const withConfigProvider: With<ConfigProvider.ConfigProvider> = dual(
  2,
  <A, E, R>(effect: Effect.Effect<A, E, R>, provider: ConfigProvider.ConfigProvider) =>
    Effect.provideService(effect, ConfigProvider.ConfigProvider, provider)
)

export const withMaxOpsBeforeYield: With<number> = dual(
  2,
  <A, E, R>(effect: Effect.Effect<A, E, R>, ops: number) =>
    Effect.provideService(effect, References.MaxOpsBeforeYield, ops)
)

export const withRandom: With<Random.Random> = dual(
  2,
  <A, E, R>(effect: Effect.Effect<A, E, R>, random: Random.Random) =>
    Effect.provideService(effect, Random.Random, random)
)

export const withScheduler: With<Scheduler.Scheduler> = dual(
  2,
  <A, E, R>(effect: Effect.Effect<A, E, R>, scheduler: Scheduler.Scheduler) =>
    Effect.provideService(effect, Scheduler.Scheduler, scheduler)
)

export const tagMetrics: {
  (name: string, value: string): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(effect: Effect.Effect<A, E, R>, name: string, value: string): Effect.Effect<A, E, R>
} = dual(
  3,
  <A, E, R>(effect: Effect.Effect<A, E, R>, name: string, value: string) =>
    Effect.updateService(effect, Metric.CurrentMetricAttributes, (attributes) => ({ ...attributes, [name]: value }))
)

interface TimeoutFail<E1> {
  readonly duration: Duration.Input
  readonly onTimeout: () => E1
}

export const timeoutFail: {
  <E1>(options: TimeoutFail<E1>): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | E1, R>
  <A, E, R, E1>(effect: Effect.Effect<A, E, R>, options: TimeoutFail<E1>): Effect.Effect<A, E | E1, R>
} = dual(
  2,
  <A, E, R, E1>(effect: Effect.Effect<A, E, R>, { duration, onTimeout }: TimeoutFail<E1>) =>
    Effect.timeoutOrElse(effect, { duration, orElse: () => Effect.fail(onTimeout()) })
)
