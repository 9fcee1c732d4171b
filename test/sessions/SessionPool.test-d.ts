/** Code that the compiler has to accept or refuse; checked with the types, never run. */
import * as Effect from "#test/Effect"
import type * as Scope from "#test/Scope"
import type * as RedisPermits from "effect-pools/RedisPermits"
import * as SessionPool from "effect-pools/SessionPool"
import type * as WebTransport from "effect-pools/WebTransport"
import type * as Stream from "effect/Stream"

declare const expect: <A>(value: A) => void

type Made<R = never> = Effect.Effect<
  SessionPool.Service,
  never,
  Scope.Scope | WebTransport.WebTransportConstructor | R
>

declare class Names {
  private readonly names: ReadonlyArray<string>
}

declare const address: Effect.Effect<string, "Unknown", Names>
declare const lists: Stream.Stream<ReadonlyArray<SessionPool.Endpoint>, "Down", Names>
declare const hello: Effect.Effect<void, "Refused", Scope.Scope>

const url = "https://example.com/"
const endpoints = [{ url }]

// a pool has one server or several, and its hooks know the session
expect<Made>(SessionPool.make({ url, onOpen: (session) => Effect.andThen(session.closed, hello) }))
expect<Made>(SessionPool.make({ endpoints, onOpen: (session) => Effect.andThen(session.closed, hello) }))

// a permit has its own errors
declare const permits: RedisPermits.Service
expect<Made>(SessionPool.make({ url, onOpen: () => hello, permit: permits.permit }))
expect<Made>(SessionPool.make({ endpoints, onOpen: () => hello, permit: permits.permit }))

// the maker provides what addresses and lists require
expect<Made<Names>>(SessionPool.make({ url: address }))
expect<Made<Names>>(SessionPool.make({ endpoints: lists }))

// options that are known in part
declare const common: SessionPool.CommonOptions
expect<SessionPool.Options>({ ...common, url })
expect<SessionPool.Options>({ ...common, endpoints })
expect<Made>(SessionPool.make({ ...common, endpoints }))

// what is not there may be said
expect<SessionPool.Options>({ url, endpoints: undefined })
expect<SessionPool.Options>({ url: undefined, endpoints })

// @ts-expect-error a pool needs an address
expect(SessionPool.make({ maxSize: 1 }))
// @ts-expect-error an address that may be missing is none
expect(SessionPool.make({ url: undefined }))
// @ts-expect-error one server or several, not both
expect(SessionPool.make({ url, endpoints }))
// @ts-expect-error the same for a layer
expect(SessionPool.layer({ url, endpoints }))
// @ts-expect-error a pool needs an address
expect(SessionPool.layer({}))
