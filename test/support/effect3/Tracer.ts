import type * as Context from "effect/Context"
import type * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

export * from "effect/Tracer"

export interface NewSpan {
  readonly name: string
  readonly parent: Option.Option<Tracer.AnySpan>
  readonly context: Context.Context<never>
  readonly links: ReadonlyArray<Tracer.SpanLink>
  readonly startTime: bigint
  readonly kind: Tracer.SpanKind
}

export const fromSpans = (make: (span: NewSpan) => Tracer.Span): Tracer.Tracer =>
  Tracer.make({
    span: (name, parent, context, links, startTime, kind) => make({ name, parent, context, links, startTime, kind }),
    context: (f) => f()
  })
