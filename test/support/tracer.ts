import type * as Context from "#test/Context"
import type * as Exit from "#test/Exit"
import * as Tracer from "#test/Tracer"
import * as Option from "effect/Option"

/** A test's own tracer, and the spans that it has made. */
export const recordingTracer = () => {
  const spans: Array<RecordedSpan> = []
  const tracer = Tracer.fromSpans((options) => {
    const span = new RecordedSpan(options)
    spans.push(span)
    return span
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
  /** The name of Effect 3. */
  readonly context: Context.Context<never>
  /** The name of Effect 4. */
  readonly annotations: Context.Context<never>
  readonly kind: Tracer.SpanKind
  readonly attributes = new Map<string, unknown>()
  readonly links: Array<Tracer.SpanLink>
  status: Tracer.SpanStatus

  constructor({ context, kind, links, name, parent, startTime }: Tracer.NewSpan) {
    this.name = name
    this.parent = parent
    this.context = context
    this.annotations = context
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
    return Option.getOrUndefined(Option.flatMap(this.parent, nameOf))
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
