import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"

/** Whether this tracer exports its spans; Effect's default tracer does not. `undefined`: the fiber has none of its own. */
export const isTraced = (tracer: Tracer.Tracer | undefined): boolean =>
  tracer !== undefined && tracer !== Tracer.nativeTracer

export const withSpan: <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  name: string,
  options: Tracer.SpanOptions
) => Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> = Effect.withSpan

/** For an effect that outlives the span in which it begins. */
export const withoutParentSpan = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.updateContext(
    Effect.provideService(effect, References.TracerSpanLinks, []),
    (context: Context.Context<R>) => Context.omit(Tracer.ParentSpan)(context as Context.Context<any>)
  )
