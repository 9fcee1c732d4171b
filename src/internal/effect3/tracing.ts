import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

/** The default tracer of a fiber. It drops its spans. */
const findNative = (): Tracer.Tracer | undefined => {
  try {
    const service = Context.getOption(DefaultServices.liveServices, Tracer.Tracer)
    return Option.isSome(service) && Effect.runSync(Effect.tracer) === service.value ? service.value : undefined
  } catch {
    return undefined
  }
}

let isSearched = false
let native: Tracer.Tracer | undefined

/**
 * Whether this tracer exports its spans; Effect's default tracer does not. The default tracer is recognized by its identity,
 * which is looked up once per process. If the lookup fails, all fibers count as traced: correct, but more expensive.
 */
export const isTraced = (tracer: Tracer.Tracer): boolean => {
  if (!isSearched) {
    isSearched = true
    native = findNative()
  }
  return tracer !== native
}

/** Ends its span also after an interruption between two steps, which `Effect.withSpan` (effect 3.22) does not. */
export const withSpan = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  name: string,
  options: Tracer.SpanOptions
): Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.useSpan(name, options, (span) => restore(Effect.withParentSpan(effect, span)))
  )

/** For an effect that outlives the span in which it begins. */
export const withoutParentSpan = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.mapInputContext(
    Effect.locally(effect, FiberRef.currentTracerSpanLinks, Chunk.empty()),
    (context: Context.Context<R>) => Context.omit(Tracer.ParentSpan)(context as Context.Context<any>)
  )
