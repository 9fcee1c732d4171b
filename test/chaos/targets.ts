/** The targets of the fuzzer, and the uses of accepted input. */
import * as BufferPool from "effect-pools/BufferPool"
import * as CollectionPool from "effect-pools/CollectionPool"
import * as Framing from "effect-pools/Framing"
import * as ObjectPool from "effect-pools/ObjectPool"
import type { RecyclingPoolStats } from "effect-pools/PoolStats"
import * as ResourcePool from "effect-pools/ResourcePool"
import * as SessionPool from "effect-pools/SessionPool"
import * as StreamPool from "effect-pools/StreamPool"
import * as TieredBufferPool from "effect-pools/TieredBufferPool"
import * as WebTransport from "effect-pools/WebTransport"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as TestServer from "../support/TestServer.js"
import { type Target, type Used, wrong } from "./judge.js"
import { leftIn } from "./leftovers.js"

/** Values that people, programs and environments use in place of a number or a duration. */
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

/** Up to three options: more would never all be valid. */
const someOf = <A>(
  keys: ReadonlyArray<string>,
  value: FastCheck.Arbitrary<A>
): FastCheck.Arbitrary<Record<string, A>> =>
  FastCheck.array(FastCheck.tuple(FastCheck.constantFrom(...keys), value), { maxLength: 3 }).map(Object.fromEntries)

const waiting = [
  "minSize",
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
  "overlap",
  "histograms"
]
const streams = [
  "maxStreamsPerSession",
  "maxStreamsOpened",
  "openTimeout",
  "quarantine",
  "suspectAfter",
  "clientSpeaksFirst"
]
const recycling = ["maxSize", "minSize", "idleTimeToLive"]
const buffers = ["bufferSize", "maxBuffers", "minBuffers", "idleTimeToLive", "zero"]
const tiers = ["sizes", "maxBuffersPerTier", "maxBytes", "idleTimeToLive", "zero"]
const collections = ["maxArrays", "maxLists", "maxArrayLength", "maxMaps", "maxSets", "maxRecords", "idleTimeToLive"]

export type Environment = Scope.Scope | WebTransport.WebTransportConstructor

/** Options that the types would refuse. */
export const options = (
  what: string,
  keys: ReadonlyArray<string>,
  cases: number,
  run: (options: any, used: Used) => Effect.Effect<unknown, unknown, Environment>
): Target<Record<string, unknown>> => ({
  what: `options of ${what}`,
  // these valid options create all items at once, and fill the memory
  arbitrary: someOf(keys, anything).filter((options) =>
    ["minSize", "minBuffers"].every((key) => typeof options[key] !== "number" || !(options[key] > 10_000))
  ),
  cases,
  run,
  names: (options) => Object.keys(options)
})

// -----------------------------------------------------------------------------
// Uses of accepted input
// -----------------------------------------------------------------------------

/** Borrows from the pool in every way, closes it, and checks that nothing is left. */
const useUp = <A, E, E1>(
  used: Used,
  make: Effect.Effect<ResourcePool.ResourcePool<A, E>, E1, Environment>,
  work: (a: A) => Effect.Effect<unknown, unknown>
) =>
  Effect.gen(function*() {
    const pool = yield* Effect.scoped(Effect.tap(make, (pool) =>
      Effect.gen(function*() {
        const borrowers = yield* Effect.replicateEffect(Effect.fork(pool.use(work)), 4)
        yield* Effect.yieldNow()
        yield* Fiber.interruptFork(borrowers[1]!)
        for (const borrower of borrowers) {
          yield* Effect.flatMap(Fiber.await(borrower), (exit) => used.judge(exit, borrower === borrowers[1]))
        }
        yield* used.once(Effect.scoped(Effect.flatMap(pool.get, work)))
        yield* used.once(Effect.scoped(pool.tryGet))
        yield* used.once(pool.prune(0))
        yield* used.once(Effect.flatMap(pool.use(Effect.succeed), pool.invalidate))
        yield* used.once(pool.resize({ minSize: 0, maxSize: 2 }))
        yield* used.once(pool.use(work))
      })))
    const left = yield* leftIn(pool)
    if (left !== undefined) yield* wrong(left)
  })

/** Borrows in every way, and checks that nothing is lent or kept after the scope has closed. */
const useUpRecycling = <A extends { readonly clear: Effect.Effect<number> }, E1>(
  used: Used,
  make: Effect.Effect<A, E1, Scope.Scope>,
  uses: (pool: A) => ReadonlyArray<Effect.Effect<unknown, unknown, Scope.Scope>>,
  stats: (pool: A) => ReadonlyArray<RecyclingPoolStats>
) =>
  Effect.gen(function*() {
    const pool = yield* Effect.scoped(Effect.tap(make, (pool) =>
      // twice: first with new items, then with returned items
      Effect.replicateEffect(Effect.forEach(uses(pool), (one) => used.once(Effect.scoped(one))), 2)))
    for (const { inUse, pool: name, size } of stats(pool)) {
      if (inUse + size > 0) yield* wrong(`${name} has ${size} objects, and ${inUse} in use`)
    }
  })

const isZero = (bytes: Uint8Array) => {
  if (Buffer.compare(bytes, Buffer.alloc(bytes.length)) !== 0) throw new Error("a buffer that was lent is not zeroed")
  bytes.fill(1)
}

const isEmpty = (size: number) => size === 0 ? Effect.void : wrong("a collection that was lent is not empty")

export const hello = new TextEncoder().encode("hello")

export const isHello = (answer: Uint8Array) =>
  Buffer.compare(answer, hello) === 0 ? Effect.void : wrong("another answer")

/** Sends a message and reads its echo. */
const exchange = (stream: WebTransport.BidirectionalStream) =>
  Effect.zipRight(
    Framing.write(stream, hello),
    Effect.flatMap(Framing.read(stream), (answer) => isHello(Option.getOrElse(answer, () => new Uint8Array())))
  )

const exchangeOn = (session: WebTransport.Session) =>
  Effect.scoped(Effect.flatMap(session.createBidirectionalStream(), exchange))

export const session = (server: TestServer.Service, path: string) =>
  WebTransport.connect(server.url(path), { serverCertificateHashes: [{ value: server.hash }] })

/** URLs that need no name server. */
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

const sessionKeys = [
  "URL",
  "NAME",
  "MIN_SIZE",
  "MAX_SIZE",
  "CONCURRENCY",
  "ORDER",
  "ACQUIRE_TIMEOUT",
  "MAX_WAITERS",
  "CONNECT_TIMEOUT",
  "CREATE_CONCURRENCY",
  "CERTIFICATE_HASHES",
  "IDLE_TIME_TO_LIVE",
  "MAX_LIFETIME",
  "MAX_USES",
  "OVERLAP",
  "RETIRE_GRACE",
  "CLOSE_TIMEOUT",
  "SHUTDOWN_GRACE",
  "HISTOGRAMS"
]
const streamKeys = [
  "NAME",
  "MIN_SIZE",
  "MAX_SIZE",
  "MAX_STREAMS_PER_SESSION",
  "MAX_STREAMS_OPENED",
  "ORDER",
  "ACQUIRE_TIMEOUT",
  "MAX_WAITERS",
  "OPEN_TIMEOUT",
  "CLIENT_SPEAKS_FIRST",
  "QUARANTINE",
  "SUSPECT_AFTER",
  "IDLE_TIME_TO_LIVE",
  "MAX_LIFETIME",
  "MAX_USES",
  "SHUTDOWN_GRACE",
  "HISTOGRAMS"
]

export const configs = (
  what: string,
  keys: ReadonlyArray<string>,
  others: Readonly<Record<string, string>>,
  run: (used: Used) => Effect.Effect<unknown, unknown, Environment>
): Target<Record<string, string>> => ({
  what: `variables of ${what}`,
  // a thousand sessions at once are not bad input
  arbitrary: someOf(keys, variable).filter((input) =>
    input["MIN_SIZE"] !== "1e3" && input["STREAMS_MIN_SIZE"] !== "1e3"
  ),
  cases: 200,
  run: (input, used) =>
    Effect.withConfigProvider(
      run(used),
      ConfigProvider.fromMap(new Map(Object.entries({ ...others, ...input })), { pathDelim: "_", seqDelim: "," })
    ),
  // the error spells the path of a nested key so
  names: (input) => Object.keys(input).map((key) => key.replace(/^(STREAMS|REQUESTS)_/, "$1.")),
  isNamed: true
})

// -----------------------------------------------------------------------------
// Input from a peer
// -----------------------------------------------------------------------------

const framed = FastCheck.uint8Array({ maxLength: 40 }).map((message) => Either.getOrThrow(Framing.encode(message)))

/** Bytes that claim to be messages: noise, truncated messages, trailing bytes, and far too long messages. */
const claims = FastCheck.oneof(
  FastCheck.uint8Array({ minLength: 1, maxLength: 40 }),
  FastCheck.tuple(framed, FastCheck.nat(40)).map(([bytes, cut]) => bytes.subarray(0, Math.max(1, bytes.length - cut))),
  FastCheck.tuple(framed, FastCheck.uint8Array({ minLength: 1, maxLength: 8 })).map((parts) =>
    new Uint8Array(Buffer.concat(parts))
  ),
  FastCheck.tuple(FastCheck.integer({ min: 0x40, max: 0xff }), FastCheck.uint8Array({ minLength: 7, maxLength: 30 }))
    .map(([first, rest]) => Uint8Array.of(first, ...rest))
)

/** The bytes, in the pieces in which they are sent. */
export const pieces = FastCheck.tuple(claims, FastCheck.integer({ min: 1, max: 40 })).map(([bytes, size]) =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.slice(i * size, (i + 1) * size))
)

/** Reads all messages of a stream on which the peer sends these bytes. */
const readAll = (session: WebTransport.Session, chunks: ReadonlyArray<Uint8Array>) =>
  Effect.scoped(Effect.gen(function*() {
    const stream = yield* session.createBidirectionalStream()
    for (const chunk of chunks) yield* stream.write(chunk)
    yield* stream.closeWrite
    for (;;) if (Option.isNone(yield* Framing.read(stream, { maxMessageSize: 64 }))) return
  }))

/** Requests an answer of these bytes, then a right answer: only ids tell it from a late one. */
const request = (
  used: Used,
  pool: StreamPool.Service,
  { chunks, end }: { readonly chunks: ReadonlyArray<Uint8Array>; readonly end: string },
  correlate: boolean
) => {
  const words = [end, ...chunks.map((chunk) => Buffer.from(chunk).toString("hex"))]
  const options = { correlate, maxMessageSize: 4_096 }
  return Effect.zipRight(
    used.once(pool.request(new TextEncoder().encode(words.join(" ")), options)),
    used.once(Effect.flatMap(pool.request(hello, options), correlate ? isHello : () => Effect.void))
  )
}

export const targets = (server: TestServer.Service): ReadonlyArray<Target<any>> => {
  const toEcho = { url: server.url("/echo?fuzz"), connect: { serverCertificateHashes: [{ value: server.hash }] } }
  const streamsOver = (used: Used, options: object) =>
    Effect.flatMap(
      SessionPool.make(toEcho),
      (sessionPool) => useUp(used, StreamPool.make({ ...options, sessionPool }), exchange)
    )
  return [
    options("ResourcePool", waiting, 300, (options, used) => {
      let live = 0
      const acquire = Effect.acquireRelease(Effect.sync(() => ({ id: ++live })), () => Effect.sync(() => live--))
      return Effect.zipRight(
        useUp(used, ResourcePool.make({ ...options, acquire }), () => Effect.yieldNow()),
        Effect.suspend(() => live === 0 ? Effect.void : wrong(`${live} items were not released`))
      )
    }),
    options(
      "SessionPool",
      waiting,
      120,
      (options, used) => useUp(used, SessionPool.make({ ...options, ...toEcho }), exchangeOn)
    ),
    options(
      "StreamPool",
      [...waiting.filter((key) => key !== "concurrency"), ...streams],
      120,
      (options, used) => streamsOver(used, options)
    ),
    options(
      "ObjectPool",
      recycling,
      300,
      (options, used) =>
        useUpRecycling(used, ObjectPool.make({ ...options, factory: () => ({}) }), (pool) => [
          pool.use(() => Effect.void),
          pool.useSync(() => {}),
          pool.get,
          Effect.sync(() => pool.lease().release()),
          Effect.sync(() => pool.unsafeRelease(pool.unsafeAcquire())),
          pool.prune(0),
          pool.clear
        ], (pool) => [pool.unsafeStats()])
    ),
    options(
      "BufferPool",
      buffers,
      300,
      (options, used) =>
        useUpRecycling(used, BufferPool.make({ bufferSize: 64, ...options }), (pool) => [
          pool.use((bytes) => Effect.sync(() => isZero(bytes))),
          pool.useSync(isZero, { length: 1 }),
          Effect.map(pool.get, isZero),
          Effect.sync(() => {
            using lease = pool.lease()
            isZero(lease.buffer)
          }),
          pool.prune(0),
          pool.clear
        ], (pool) => [pool.unsafeStats()])
    ),
    options(
      "TieredBufferPool",
      tiers,
      300,
      (options, used) =>
        useUpRecycling(used, TieredBufferPool.make(options), (pool) => [
          pool.use(100, (bytes) => Effect.sync(() => isZero(bytes))),
          pool.useSync(0, isZero),
          // larger than every tier
          Effect.map(pool.get(pool.sizes.at(-1)! + 1), isZero),
          Effect.sync(() => {
            using lease = pool.lease(pool.sizes[0]!)
            isZero(lease.buffer)
          }),
          pool.prune(0),
          pool.clear
        ], (pool) => [pool.unsafeStats().all])
    ),
    options(
      "CollectionPool",
      collections,
      300,
      (options, used) =>
        useUpRecycling(used, CollectionPool.make(options), (pool) => [
          pool.useArray((array) => isEmpty(array.push(1) - 1)),
          pool.useList((list) => isEmpty(list.push(1) - 1)),
          pool.useMap((map) => isEmpty(map.set(1, 1).size - 1)),
          pool.useSet((set) => isEmpty(set.add(1).size - 1)),
          pool.useRecord((record) => isEmpty(Object.keys(Object.assign(record, { a: 1 })).length - 1)),
          pool.prune(0),
          pool.clear
        ], (pool) => Object.values(pool.unsafeStats()))
    ),
    {
      what: "URLs",
      arbitrary: url.filter(isLocal),
      cases: 300,
      run: (url) => WebTransport.connect(url, { connectTimeout: "200 millis" }),
      names: () => []
    },
    configs(
      "SessionPool",
      sessionKeys,
      { URL: toEcho.url, CERTIFICATE_HASHES: server.hashHex },
      (used) =>
        useUp(
          used,
          Effect.map(Layer.build(SessionPool.layerConfig(SessionPool.config)), Context.get(SessionPool.SessionPool)),
          exchangeOn
        )
    ),
    configs("StreamPool, nested", streamKeys.map((key) => `STREAMS_${key}`), {}, (used) =>
      useUp(
        used,
        StreamPool.layerConfig(Config.nested(StreamPool.config, "STREAMS")).pipe(
          Layer.provide(SessionPool.layer(toEcho)),
          Layer.build,
          Effect.map(Context.get(StreamPool.StreamPool))
        ),
        exchange
      )),
    {
      what: "frames of a peer, read",
      arbitrary: FastCheck.array(pieces, { minLength: 1, maxLength: 8 }),
      cases: 60,
      run: (streams: ReadonlyArray<ReadonlyArray<Uint8Array>>, used) =>
        Effect.flatMap(
          session(server, "/echo"),
          (session) => Effect.forEach(streams, (chunks) => used.once(readAll(session, chunks)))
        ),
      names: () => []
    },
    ...[false, true].map((correlate) => ({
      what: `frames of a peer, answers${correlate ? " with ids" : ""}`,
      arbitrary: FastCheck.array(
        FastCheck.record({ chunks: pieces, end: FastCheck.constantFrom("raw", "rawReset") }),
        { minLength: 1, maxLength: 8 }
      ),
      cases: 60,
      run: (answers: ReadonlyArray<{ readonly chunks: ReadonlyArray<Uint8Array>; readonly end: string }>, used: Used) =>
        Effect.flatMap(
          session(server, `/framed?ids=${Number(correlate)}&fuzz`),
          (session) =>
            Effect.flatMap(
              StreamPool.make({ session, maxSize: 2 }),
              (pool) => Effect.forEach(answers, (answer) => request(used, pool, answer, correlate))
            )
        ),
      names: () => []
    })),
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
        reason: FastCheck.oneof(
          FastCheck.string({ maxLength: 3_000 }),
          FastCheck.string({ unit: "grapheme" }),
          anything
        )
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
}
