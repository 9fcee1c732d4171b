/** Bad input of every kind: what it meets is a typed error or a defect that names what is wrong, and nothing else. */
import * as BufferPool from "effect-pools/BufferPool"
import * as Framing from "effect-pools/Framing"
import * as ObjectPool from "effect-pools/ObjectPool"
import * as ResourcePool from "effect-pools/ResourcePool"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import * as TieredBufferPool from "effect-pools/TieredBufferPool"
import * as WebTransport from "effect-pools/WebTransport"
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as TestServer from "../support/TestServer.js"

export interface Findings {
  readonly what: string
  readonly cases: number
  readonly accepted: number
  /** Failures with a tag. */
  readonly refused: number
  /** Defects that name what is wrong. */
  readonly defects: number
  readonly wrong: ReadonlyArray<string>
}

interface Target<A> {
  readonly what: string
  readonly arbitrary: FastCheck.Arbitrary<A>
  readonly cases: number
  readonly run: (input: A) => Effect.Effect<unknown, unknown, Scope.Scope | WebTransport.WebTransportConstructor>
  /** One of these is in a defect's message. */
  readonly names: (input: A) => ReadonlyArray<string>
}

const show = (input: unknown): string => {
  try {
    return FastCheck.stringify(input).slice(0, 160)
  } catch {
    return String(input)
  }
}

const isTagged = (error: unknown): boolean =>
  typeof error === "object" && error !== null && ("_tag" in error || "_op" in error)

const run = <A>(target: Target<A>, seed: number) =>
  Effect.gen(function*() {
    let [accepted, refused, defects] = [0, 0, 0]
    const wrong: Array<string> = []
    const inputs = FastCheck.sample(target.arbitrary, { numRuns: target.cases, seed })
    for (const input of inputs) {
      const exit = yield* Effect.suspend(() => target.run(input)).pipe(
        Effect.scoped,
        Effect.timeoutFail({ duration: "10 seconds", onTimeout: () => "no answer within 10 s" }),
        Effect.exit
      )
      if (Exit.isSuccess(exit)) {
        accepted++
        continue
      }
      const failure = Cause.failureOption(exit.cause)
      if (Option.isSome(failure)) {
        if (isTagged(failure.value)) refused++
        else wrong.push(`${target.what}, ${show(input)}: ${show(failure.value)}`)
        continue
      }
      const defect = Cause.squash(exit.cause)
      const message = defect instanceof Error ? defect.message : ""
      if (target.names(input).some((name) => message.includes(name))) defects++
      else wrong.push(`${target.what}, ${show(input)}: ${String(defect)}`)
    }
    return { what: target.what, cases: inputs.length, accepted, refused, defects, wrong } satisfies Findings
  })

/** What people, programs and environments put where a number or a duration belongs. */
const anything = FastCheck.oneof(
  FastCheck.integer({ min: -5, max: 200 }),
  FastCheck.double(),
  FastCheck.constantFrom<unknown>(
    NaN,
    Infinity,
    -Infinity,
    -0,
    0.5,
    2 ** 53,
    10n,
    -1n,
    null,
    undefined,
    true,
    "",
    "5 seconds",
    "soon",
    "10",
    [],
    {},
    [1, 2],
    Symbol.iterator,
    () => 1
  )
)

/** Up to three of them: more would never all make sense. */
const someOf = <A>(
  keys: ReadonlyArray<string>,
  value: FastCheck.Arbitrary<A>
): FastCheck.Arbitrary<Record<string, A>> =>
  FastCheck.array(FastCheck.tuple(FastCheck.constantFrom(...keys), value), { maxLength: 3 }).map(Object.fromEntries)

const waiting = [
  "maxSize",
  "concurrency",
  "acquireTimeout",
  "maxWaiters",
  "validateAfterIdle",
  "idleTimeToLive",
  "maxLifetime",
  "maxUses",
  "createConcurrency",
  "createTimeout",
  "checkTimeout",
  "closeTimeout",
  "retireGrace",
  "shutdownGrace",
  "exhaustedThreshold",
  "leakThreshold",
  "createBackoff",
  "keepAlive",
  "order",
  "overlap"
]
const streams = ["maxSize", "maxStreamsPerSession", "maxStreamsOpened", "openTimeout", "quarantine", "suspectAfter"]
const recycling = ["maxSize", "minSize", "idleTimeToLive"]
const buffers = ["bufferSize", "maxBuffers", "minBuffers", "idleTimeToLive", "zero"]
const tiers = ["sizes", "maxBuffersPerTier", "maxBytes", "idleTimeToLive", "zero"]

/** Options that a user's types would have refused. */
const options = (
  what: string,
  keys: ReadonlyArray<string>,
  make: (options: any) => Effect.Effect<unknown, unknown, Scope.Scope | WebTransport.WebTransportConstructor>
): Target<Record<string, unknown>> => ({
  what: `options of ${what}`,
  // so many would be made at once, and fill the memory: that is what they ask for
  arbitrary: someOf(keys, anything).filter((options) =>
    ["minSize", "minBuffers"].every((key) => typeof options[key] !== "number" || !(options[key] > 10_000))
  ),
  cases: 300,
  run: make,
  names: (options) => Object.keys(options)
})

const session = (server: TestServer.Service, path: string) =>
  WebTransport.connect(server.url(path), { serverCertificateHashes: [{ value: server.hash }] })

/** Nothing that would be looked for in a network. */
const url = FastCheck.oneof(
  FastCheck.string(),
  FastCheck.tuple(
    FastCheck.constantFrom("http:", "ftp:", "https", "file:", "javascript:", "", "wss:"),
    FastCheck.webPath(),
    FastCheck.string()
  ).map(([scheme, path, rest]) => `${scheme}//127.0.0.1:1${path}${rest}`),
  FastCheck.tuple(FastCheck.webPath(), FastCheck.webQueryParameters(), FastCheck.constantFrom("", "#", "#part")).map((
    [path, query, fragment]
  ) => `https://127.0.0.1:1${path}?${query}${fragment}`),
  FastCheck.constantFrom<any>(
    undefined,
    null,
    5,
    {},
    [],
    "https://",
    "https:///",
    "https://[",
    "https://user:pw@127.0.0.1:1/"
  )
)

const isLocal = (url: unknown): boolean =>
  typeof url !== "string" || !URL.canParse(url) || new URL(url).hostname === "127.0.0.1"

const variable = FastCheck.oneof(
  FastCheck.string(),
  FastCheck.constantFrom(
    "0",
    "-1",
    "5",
    "1.5",
    "1e3",
    "Infinity",
    "NaN",
    "5 seconds",
    "1 fortnight",
    "true",
    "lifo",
    "00ff"
  )
)

const config = <A>(
  what: string,
  keys: ReadonlyArray<string>,
  load: Effect.Effect<A, unknown>
): Target<Record<string, string>> => ({
  what: `variables of ${what}`,
  arbitrary: someOf(keys, variable),
  cases: 300,
  run: (input) =>
    Effect.withConfigProvider(
      load,
      ConfigProvider.fromMap(new Map([["URL", "https://127.0.0.1:1/"], ...Object.entries(input)]))
    ),
  names: () => []
})

const targets = (server: TestServer.Service): ReadonlyArray<Target<any>> => [
  options("ResourcePool", waiting, (options) => ResourcePool.make({ ...options, acquire: Effect.succeed({}) })),
  options("SessionPool", waiting, (options) => SessionPool.make({ ...options, url: "https://127.0.0.1:1/" })),
  options("StreamPool", [...waiting.filter((key) => key !== "concurrency"), ...streams], (options) =>
    Effect.flatMap(
      SessionPool.make({ url: "https://127.0.0.1:1/" }),
      (sessionPool) => StreamPool.make({ ...options, sessionPool })
    )),
  options("ObjectPool", recycling, (options) => ObjectPool.make({ ...options, factory: () => ({}) })),
  options("BufferPool", buffers, (options) => BufferPool.make({ bufferSize: 64, ...options })),
  options("TieredBufferPool", tiers, (options) => TieredBufferPool.make(options)),
  {
    what: "URLs",
    arbitrary: url.filter(isLocal),
    cases: 300,
    run: (url) => WebTransport.connect(url, { connectTimeout: "200 millis" }),
    names: () => []
  },
  config(
    "SessionPool",
    ["URL", "MIN_SIZE", "MAX_SIZE", "CONCURRENCY", "ACQUIRE_TIMEOUT", "CERTIFICATE_HASHES"],
    Effect.suspend(() => SessionPool.config)
  ),
  config(
    "StreamPool",
    ["MAX_SIZE", "OPEN_TIMEOUT", "ORDER", "QUARANTINE", "SUSPECT_AFTER", "CLIENT_SPEAKS_FIRST"],
    Effect.suspend(() => StreamPool.config)
  ),
  {
    what: "frames",
    arbitrary: FastCheck.array(FastCheck.uint8Array({ maxLength: 40 }), { maxLength: 12 }),
    cases: 2_000,
    run: (chunks: ReadonlyArray<Uint8Array>) =>
      Stream.fromIterable(chunks).pipe(Framing.decode({ maxMessageSize: 64 }), Stream.runDrain),
    names: () => []
  },
  {
    what: "close codes",
    arbitrary: FastCheck.record({
      closeCode: FastCheck.oneof(anything, FastCheck.integer()),
      reason: FastCheck.oneof(FastCheck.string({ maxLength: 3_000 }), FastCheck.string({ unit: "grapheme" }), anything)
    }),
    cases: 60,
    run: (info) => Effect.flatMap(session(server, "/echo"), (session) => session.close(info)),
    names: () => ["closeCode", "reason"]
  },
  {
    what: "datagrams",
    arbitrary: FastCheck.array(
      FastCheck.oneof(FastCheck.integer({ min: 0, max: 70_000 }).map((size) => new Uint8Array(size)), anything),
      { minLength: 1, maxLength: 8 }
    ),
    cases: 60,
    run: (datagrams) =>
      Effect.flatMap(
        session(server, "/echo"),
        (session) => Effect.forEach(datagrams, (datagram: any) => session.datagrams.send(datagram))
      ),
    names: () => ["datagram"]
  }
]

export const fuzz = (
  server: TestServer.Service,
  constructor: Layer.Layer<WebTransport.WebTransportConstructor>,
  seed: number
): Effect.Effect<ReadonlyArray<Findings>> =>
  Effect.provide(Effect.forEach(targets(server), (target) => run(target, seed)), constructor)
