/** Several servers in memory under one constructor: `a`, `b`, … at `https://a.test/`, `https://b.test/`, …. */
import { scopedContext } from "#effect/layer"
import * as Context from "#test/Context"
import * as Effect from "#test/Effect"
import * as Layer from "#test/Layer"
import * as TestWebTransport from "effect-pools/TestWebTransport"
import { WebTransportConstructor } from "effect-pools/WebTransport"

const names = ["a", "b", "c", "d"] as const

export type Name = typeof names[number]

export class Servers
  extends Context.Tag("effect-pools/test/Servers")<Servers, Record<Name, TestWebTransport.Service>>()
{}

export const urlOf = (name: Name): string => `https://${name}.test/`

export const labelOf = (name: Name): string => `${name}.test:443`

export const servers: Layer.Layer<Servers | WebTransportConstructor> = scopedContext(
  Effect.gen(function*() {
    const made = yield* Effect.forEach(names, () => Layer.build(TestWebTransport.layer()))
    const byHost = new Map(
      made.map((context, index) => [`${names[index]!}.test`, Context.get(context, WebTransportConstructor)])
    )
    const first = Context.get(made[0]!, WebTransportConstructor)
    const services = Object.fromEntries(
      made.map((context, index) => [names[index], Context.get(context, TestWebTransport.TestWebTransport)])
    ) as Record<Name, TestWebTransport.Service>
    return Context.make(Servers, services).pipe(
      Context.add(WebTransportConstructor, {
        construct: (url, options, timeout) => byHost.get(new URL(url).hostname)!.construct(url, options, timeout),
        explain: (native) => first.explain?.(native)
      })
    )
  })
)
