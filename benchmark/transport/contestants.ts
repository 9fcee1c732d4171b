/** Ways to send a request and read its answer, each over at most four sessions, unless the case is about sessions. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as SessionPool from "../../src/SessionPool.js"
import * as StreamPool from "../../src/StreamPool.js"
import * as WebTransport from "../../src/WebTransport.js"
import { startedServer, type Target } from "./echoServer.js"
import type { Implementation } from "./implementations.js"
import type { Sender } from "./load.js"

type Constructor = WebTransport.WebTransportConstructor

/** Lets all senders send at the same time, each one request after another, until they have enough. */
export type Drive = (senders: ReadonlyArray<Sender>) => Effect.Effect<unknown, unknown, Constructor>

export interface Contestant {
  readonly peer: string
  /** Opens the resources for the first request. `fibers`: how many send at the same time, at most. */
  readonly open: (target: Target, fibers: number) => Effect.Effect<Drive, unknown, Constructor | Scope.Scope>
}

export const peers = {
  pooled: "pooled streams",
  pooledOfOne: "pooled streams of one session",
  held: "hand-held streams",
  stream: "a stream per request",
  session: "a session per request",
  raw: "hand-held streams, plain JavaScript",
  shared: "shared streams",
  request: "StreamPool.request",
  byHand: "shared streams by hand, plain JavaScript",
  rpc: "@effect/rpc over one stream"
}

const maxSessions = 4

export const connectOptions = ({ hash }: Target): WebTransport.ConnectOptions => ({
  serverCertificateHashes: [{ value: hash }]
})

type Request = (message: Uint8Array, fiber: number) => Effect.Effect<Uint8Array, unknown, Constructor>

/** Calls `request` for each request, as a user's code does. */
export const drive = (request: Request): Drive => (senders) =>
  Effect.forEach(
    senders,
    (sender, fiber) =>
      Effect.whileLoop({
        while: () => sender.take(),
        body: () => request(sender.next(), fiber),
        step: (answer) => sender.answered(answer)
      }),
    { concurrency: "unbounded", discard: true }
  )

const exchange = (stream: WebTransport.BidirectionalStream, message: Uint8Array) =>
  Effect.zipRight(stream.write(message), stream.readExactly(message.length))

/** Each fiber has a stream, of at most `maxSize` sessions. */
export const pooledOn = (target: Target, fibers: number, maxSize: number) =>
  Effect.gen(function*() {
    const sessionPool = yield* SessionPool.make({ url: target.url, connect: connectOptions(target), maxSize })
    const pool = yield* StreamPool.make({
      sessionPool,
      minSize: fibers,
      maxSize: fibers,
      maxStreamsPerSession: Math.ceil(fibers / maxSize)
    })
    yield* pool.ready
    return drive((message) => pool.use((stream) => exchange(stream, message)))
  })

export const pooled: Contestant = {
  peer: peers.pooled,
  open: (target, fibers) => pooledOn(target, fibers, maxSessions)
}

const held: Contestant = {
  peer: peers.held,
  open: (target, fibers) =>
    Effect.gen(function*() {
      const connect = WebTransport.connect(target.url, connectOptions(target))
      const sessions = yield* Effect.replicateEffect(connect, maxSessions)
      const streams = yield* Effect.forEach(
        Array.from({ length: fibers }, (_, fiber) => sessions[fiber % sessions.length]!),
        (session) => session.createBidirectionalStream()
      )
      return drive((message, fiber) => exchange(streams[fiber]!, message))
    })
}

const streamPerRequest: Contestant = {
  peer: peers.stream,
  open: (target, fibers) =>
    Effect.gen(function*() {
      const pool = yield* SessionPool.make({
        url: target.url,
        connect: connectOptions(target),
        minSize: maxSessions,
        maxSize: maxSessions,
        concurrency: Math.ceil(fibers / maxSessions)
      })
      yield* pool.ready
      return drive((message) =>
        pool.use((session) =>
          Effect.scoped(Effect.flatMap(session.createBidirectionalStream(), (stream) => exchange(stream, message)))
        )
      )
    })
}

const sessionPerRequest: Contestant = {
  peer: peers.session,
  open: (target) => {
    const options = connectOptions(target)
    return Effect.succeed(drive((message) =>
      WebTransport.connect(target.url, options).pipe(
        Effect.flatMap((session) => session.createBidirectionalStream()),
        Effect.flatMap((stream) => exchange(stream, message)),
        Effect.scoped
      )
    ))
  }
}

export interface RawStream {
  readonly reader: ReadableStreamDefaultReader<Uint8Array>
  readonly writer: WritableStreamDefaultWriter<Uint8Array>
}

const readExactly = async (reader: RawStream["reader"], size: number): Promise<Uint8Array> => {
  const first = await reader.read()
  if (first.done || first.value.length >= size) return first.value ?? new Uint8Array()
  const answer = new Uint8Array(size)
  answer.set(first.value)
  for (let length = first.value.length; length < size;) {
    const next = await reader.read()
    if (next.done) return answer.subarray(0, length)
    answer.set(next.value, length)
    length += next.value.length
  }
  return answer
}

const connectRaw = async (
  { construct }: WebTransport.ConstructorService,
  { hash, url }: Target,
  { sessionCount, streamCount }: RawCounts
) => {
  const options = { serverCertificateHashes: [{ algorithm: "sha-256", value: hash }] }
  const sessions = Array.from({ length: sessionCount }, () => construct(url, options, 10_000))
  await Promise.all(sessions.map(({ ready }) => ready))
  const streams = await Promise.all(
    Array.from({ length: streamCount }, async (_, i): Promise<RawStream> => {
      const { readable, writable } = await sessions[i % sessions.length]!.createBidirectionalStream()
      return { reader: readable.getReader(), writer: writable.getWriter() }
    })
  )
  return { sessions, streams }
}

interface RawCounts {
  readonly sessionCount: number
  readonly streamCount: number
}

/** Streams without this library, until the scope closes. */
export const openRaw = (target: Target, counts: RawCounts) =>
  Effect.acquireRelease(
    Effect.flatMap(
      WebTransport.WebTransportConstructor,
      (constructor) => Effect.promise(() => connectRaw(constructor, target, counts))
    ),
    ({ sessions }) =>
      Effect.promise(() =>
        Promise.allSettled(sessions.map((session) => {
          session.close()
          return session.closed
        }))
      )
  ).pipe(Effect.map(({ streams }) => streams))

export const plain: Contestant = {
  peer: peers.raw,
  open: (target, fibers) =>
    Effect.map(
      openRaw(target, { sessionCount: maxSessions, streamCount: fibers }),
      (streams): Drive => (senders) =>
        Effect.promise(() =>
          Promise.all(senders.map(async (sender, fiber) => {
            const { reader, writer } = streams[fiber]!
            while (sender.take()) {
              const message = sender.next()
              await writer.write(message)
              sender.answered(await readExactly(reader, message.length))
            }
          }))
        )
    )
}

export const contestants: ReadonlyArray<Contestant> = [pooled, held, streamPerRequest, sessionPerRequest, plain]

/** Opens a contestant, uses it, and closes it, so that it leaves nothing at the server for the next contestant. */
export const withContestant = <A>(
  { client }: Implementation,
  { open }: Contestant,
  fibers: number,
  use: (drive: Drive) => Effect.Effect<A, unknown, Constructor>
): Promise<A> =>
  Effect.suspend(() => open(startedServer("echo"), fibers)).pipe(
    Effect.flatMap(use),
    Effect.scoped,
    Effect.provide(Layer.unwrapEffect(Effect.promise(client))),
    Effect.runPromise
  )
