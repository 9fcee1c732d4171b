import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Tracer from "effect/Tracer"

const native = Context.get(DefaultServices.liveServices, Tracer.Tracer)

/** Whether anybody looks at spans: those of Effect's own tracer go nowhere. */
export const isTraced = (tracer: Tracer.Tracer): boolean => tracer !== native

/** Ends its span also when interrupted between two steps, where `Effect.withSpan` (effect 3.22) leaves it open. */
export const withSpan = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  name: string,
  options: Tracer.SpanOptions
): Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.useSpan(name, options, (span) => restore(Effect.withParentSpan(effect, span)))
  )

/** For what goes on long after the span that it begins in. */
export const withoutParentSpan = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.mapInputContext(
    Effect.locally(effect, FiberRef.currentTracerSpanLinks, Chunk.empty()),
    (context: Context.Context<R>) => Context.omit(Tracer.ParentSpan)(context as Context.Context<any>)
  )

/** Brackets are the URL's, not the address's. */
const addressOf = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, "$1")

/** OpenTelemetry's words. The query is left out: tokens travel there. */
export const urlAttributes = (url: URL): Record<string, unknown> => ({
  "server.address": addressOf(url.hostname),
  "server.port": url.port === "" ? 443 : Number(url.port),
  "url.path": url.pathname,
  "url.scheme": "https"
})

/** Only HTTP/3 has datagrams that may get lost. */
export const protocolAttributes = (reliability: string | undefined): Record<string, unknown> => {
  const http = { "network.protocol.name": "http" }
  switch (reliability) {
    case "supports-unreliable":
      return { ...http, "network.protocol.version": "3", "network.transport": "quic" }
    case "reliable-only":
      return { ...http, "network.protocol.version": "2", "network.transport": "tcp" }
    default:
      return {}
  }
}
