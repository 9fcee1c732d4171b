import type * as Context from "effect/Context"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

/** A test's own tracer, and the spans that it has made. */
export const recordingTracer = () => {
  const spans: Array<RecordedSpan> = []
  const tracer = Tracer.make({
    span: (name, parent, context, links, startTime, kind) => {
      const span = new RecordedSpan(name, parent, context, links, startTime, kind)
      spans.push(span)
      return span
    },
    context: (f) => f()
  })
  const named = (name: string) => spans.filter((span) => span.name === name)
  return { tracer, spans, named }
}

let latestId = 0

class RecordedSpan implements Tracer.Span {
  readonly _tag = "Span"
  readonly spanId = String(++latestId)
  readonly traceId: string
  readonly sampled = true
  readonly name: string
  readonly parent: Option.Option<Tracer.AnySpan>
  readonly context: Context.Context<never>
  readonly kind: Tracer.SpanKind
  readonly attributes = new Map<string, unknown>()
  readonly links: Array<Tracer.SpanLink>
  status: Tracer.SpanStatus

  constructor(
    name: string,
    parent: Option.Option<Tracer.AnySpan>,
    context: Context.Context<never>,
    links: ReadonlyArray<Tracer.SpanLink>,
    startTime: bigint,
    kind: Tracer.SpanKind
  ) {
    this.name = name
    this.parent = parent
    this.context = context
    this.kind = kind
    this.traceId = Option.match(parent, { onNone: () => this.spanId, onSome: ({ traceId }) => traceId })
    this.links = [...links]
    this.status = { _tag: "Started", startTime }
  }

  end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    this.status = { _tag: "Ended", startTime: this.status.startTime, endTime, exit }
  }

  attribute(key: string, value: unknown): void {
    this.attributes.set(key, value)
  }

  event(): void {}

  addLinks(links: ReadonlyArray<Tracer.SpanLink>): void {
    this.links.push(...links)
  }

  get parentName(): string | undefined {
    return Option.getOrUndefined(Option.filterMap(this.parent, nameOf))
  }

  get linkNames(): ReadonlyArray<string> {
    return this.links.flatMap(({ span }) => Option.toArray(nameOf(span)))
  }

  /** How the span ended; undefined before. */
  get exit(): Exit.Exit<unknown, unknown> | undefined {
    return this.status._tag === "Ended" ? this.status.exit : undefined
  }

  /** The duration in milliseconds. */
  get duration(): number | undefined {
    return this.status._tag === "Ended" ? Number(this.status.endTime - this.status.startTime) / 1e6 : undefined
  }
}

const nameOf = (span: Tracer.AnySpan): Option.Option<string> =>
  span._tag === "Span" ? Option.some(span.name) : Option.none()
