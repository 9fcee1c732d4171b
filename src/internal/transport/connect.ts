/** Connects sessions, and cleans up after failed attempts. */
import { andThen, forkScope, timeoutFail } from "#effect/effect"
import { fail, type Result, succeed, toEffect } from "#effect/result"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type {
  CertificateHash,
  ConnectOptions,
  ConstructorService,
  DatagramOptions,
  HeaderFields,
  NativeOptions,
  NativeWebTransport,
  SessionOptions
} from "../../WebTransportConstructor.js"
import { WebTransportError } from "../../WebTransportError.js"
import { kindOf } from "../core/kinds.js"
import { connectOptions } from "../options/connectOptions.js"
import { dieOfProblems } from "../options/optionChecks.js"
import { decodeAll } from "../options/optionTable.js"
import { explainCause } from "./failure.js"
import { SessionHandle } from "./session.js"
import { SessionCore } from "./sessionCore.js"
import { areSupported } from "./wait.js"

const resolve = <A, E, R>(source: A | Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.isEffect(source) ? source as Effect.Effect<A, E, R> : Effect.succeed(source)

const invalidUrl = (detail: string) => fail(new WebTransportError({ reason: "InvalidUrl", detail }))

/** The error shows only the scheme of a URL: the rest may contain tokens, which the platform's own error would show. */
export const parseUrl = (source: string | URL): Result<URL, WebTransportError> => {
  let url: URL
  try {
    url = new URL(source)
  } catch {
    return invalidUrl(
      typeof source === "string" ? "it is not an absolute URL" : `it is of type ${kindOf(source)} instead of a URL`
    )
  }
  if (url.protocol !== "https:") return invalidUrl(`its scheme is ${JSON.stringify(url.protocol)} instead of "https:"`)
  if (url.hash !== "") return invalidUrl("it has a fragment")
  return succeed(url)
}

export const resolveUrl = <E, R>(
  source: string | URL | Effect.Effect<string | URL, E, R>
): Effect.Effect<URL, WebTransportError | E, R> =>
  Effect.flatMap(resolve<string | URL, E, R>(source), (url) => toEffect(parseUrl(url)))

/** A copy, since fails-components (1.6.8) ignores the offset of a view. */
const copyBytes = (value: ArrayBuffer | ArrayBufferView): Uint8Array<ArrayBuffer> =>
  ArrayBuffer.isView(value)
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice() as Uint8Array<ArrayBuffer>
    : new Uint8Array(value).slice()

const pairsOf = (headers: HeaderFields): Array<[string, string]> =>
  (Symbol.iterator in headers ? Array.from(headers) : Object.entries(headers)).map(([name, value]) => [
    String(name).toLowerCase(),
    value
  ])

/** Names and values: RFC 9110, sections 5.1 and 5.5. Forbidden names: fields of a connection (RFC 9113, section 8.2.2). */
const isName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
const isValue = /^[\t\x20-\x7e\x80-\xff]*$/
const isForbidden = /^(connection|host|keep-alive|proxy-connection|te|transfer-encoding|upgrade)$/

/** The problem with a header. It shows only the name: values are secret. */
const headerProblem = (name: string, value: unknown): string | undefined => {
  const header = `the header ${JSON.stringify(name)}`
  if (!isName.test(name)) return `${header} has a name that HTTP does not allow`
  if (isForbidden.test(name)) return `${header} is not allowed in a request for a session`
  if (typeof value !== "string") return `${header} has a value of type ${kindOf(value)} instead of a string`
  return isValue.test(value) ? undefined : `${header} has a character in its value that HTTP does not allow`
}

const nativeHeaders = (headers: HeaderFields): Effect.Effect<Array<[string, string]>, WebTransportError> => {
  const pairs = pairsOf(headers)
  const problem = pairs.map(([name, value]) => headerProblem(name, value)).find((one) => one !== undefined)
  return problem === undefined
    ? Effect.succeed(pairs)
    : Effect.fail(new WebTransportError({ reason: "Connect", detail: problem, advice: "correct connect.headers" }))
}

export const nativeOptions = <E, R>(
  options: ConnectOptions<E, R>
): Effect.Effect<NativeOptions, WebTransportError | E, R> => {
  const { headers } = options
  return headers === undefined ? withoutHeaders(options) : Effect.zipWith(
    Effect.flatMap(resolve<HeaderFields, E, R>(headers), nativeHeaders),
    withoutHeaders(options),
    (headers, native) => headers.length === 0 ? native : { ...native, headers }
  )
}

const withoutHeaders = <E, R>(
  options: ConnectOptions<E, R>
): Effect.Effect<NativeOptions, WebTransportError | E, R> =>
  Effect.flatMap(
    resolve<ReadonlyArray<CertificateHash>, E, R>(options.serverCertificateHashes ?? []),
    (hashes): Effect.Effect<NativeOptions, WebTransportError> => {
      const native: NativeOptions = {}
      if (hashes.length > 0) {
        if (options.allowPooling === true) {
          return Effect.die(
            new Error(
              "serverCertificateHashes and allowPooling exclude each other: one connection has one certificate check"
            )
          )
        }
        native.serverCertificateHashes = hashes.map(({ algorithm = "sha-256", value }) => ({
          algorithm: algorithm.toLowerCase(),
          value: copyBytes(value)
        }))
        for (const { algorithm, value } of native.serverCertificateHashes) {
          if (algorithm !== "sha-256") {
            const detail = `a certificate hash has the algorithm ${JSON.stringify(algorithm)}`
            const advice = `use "sha-256": WebTransport supports no other`
            return Effect.fail(new WebTransportError({ reason: "Connect", detail, advice }))
          }
          if (value.byteLength !== 32) {
            const detail = `a certificate hash has ${value.byteLength} bytes; sha-256 has 32`
            const advice = "give the bytes of the hash, not its hexadecimal text"
            return Effect.fail(new WebTransportError({ reason: "Connect", detail, advice }))
          }
        }
      }
      if (options.protocols !== undefined) native.protocols = [...options.protocols]
      if (options.congestionControl !== undefined) native.congestionControl = options.congestionControl
      if (options.requireUnreliable !== undefined) native.requireUnreliable = options.requireUnreliable
      if (options.allowPooling !== undefined) native.allowPooling = options.allowPooling
      return Effect.succeed(native)
    }
  )

/** The first name that the platform knows is used; newer names come first. */
const datagramAttributes: ReadonlyArray<readonly [keyof DatagramOptions, ReadonlyArray<string>]> = [
  ["incomingMaxBuffered", ["incomingMaxBufferedDatagrams", "incomingHighWaterMark"]],
  ["outgoingMaxBuffered", ["outgoingMaxBufferedDatagrams", "outgoingHighWaterMark"]],
  ["incomingMaxAge", ["incomingMaxAge"]],
  ["outgoingMaxAge", ["outgoingMaxAge"]]
]

const setDatagramOptions = (native: NativeWebTransport, options: DatagramOptions): void => {
  const datagrams = native.datagrams as unknown as Record<string, unknown>
  for (const [option, names] of datagramAttributes) {
    const value = options[option]
    const name = names.find((name) => name in datagrams)
    if (value !== undefined && name !== undefined) {
      datagrams[name] = option.endsWith("Age") ? Duration.toMillis(value) : value
    }
  }
}

/** A constructor throws because of its options, not because of the network. */
const constructFailure = (cause: unknown): WebTransportError => {
  if (cause instanceof WebTransportError) return cause
  return (cause as { readonly name?: unknown } | undefined)?.name === "NotSupportedError"
    ? new WebTransportError({
      reason: "Unsupported",
      detail: "the platform does not support all of these options",
      cause
    })
    : new WebTransportError({ reason: "Connect", ...explainCause(cause), cause })
}

const establish = (
  make: (connectTimeout: number) => NativeWebTransport,
  service: ConstructorService | undefined,
  where: string,
  options: SessionOptions
): Effect.Effect<SessionHandle, WebTransportError, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const { decoded, problems } = decodeAll(connectOptions, options)
      yield* dieOfProblems("WebTransport", problems)
      // the wait slots of the session's streams need this test
      yield* areSupported
      const limit = Duration.millis(decoded.connectTimeout)
      // its own scope, so that a failed attempt leaves nothing in the caller's scope
      const scope = yield* forkScope(yield* Effect.scope)
      const core = yield* Effect.try({
        try: () =>
          new SessionCore(
            make(decoded.connectTimeout),
            service,
            where,
            decoded.closeInfo,
            Duration.millis(decoded.closeTimeout)
          ),
        catch: constructFailure
      }).pipe(Effect.tapError((error) => Scope.close(scope, Exit.fail(error))))
      yield* Scope.addFinalizer(scope, core.close(undefined))
      yield* Effect.forkIn(Effect.interruptible(core.ends.guard), scope)
      if (options.datagrams !== undefined) setDatagramOptions(core.native, options.datagrams)
      const ready = timeoutFail(Deferred.await(core.readiness), {
        duration: limit,
        onTimeout: () => {
          const why = core.explain()
          const detail = `no session with ${where} within ${Duration.format(limit)}${why ? `: ${why.detail}` : ""}`
          return new WebTransportError({ reason: "ConnectTimeout", detail, advice: why?.advice, cause: why?.cause })
        }
      })
      return yield* Effect.matchCauseEffect(restore(ready), {
        onSuccess: () => Effect.succeed(new SessionHandle(core)),
        onFailure: (cause) => {
          core.giveUp(new WebTransportError({ reason: "Connect", detail: "the attempt was given up" }))
          return andThen(Scope.close(scope, Exit.failCause(cause)), Effect.failCause(cause))
        }
      })
    })
  )

export const open = (
  service: ConstructorService,
  url: URL,
  native: NativeOptions,
  options: SessionOptions
): Effect.Effect<SessionHandle, WebTransportError, Scope.Scope> =>
  establish(
    (connectTimeout) => service.construct(url.href, native, connectTimeout),
    service,
    `${url.host}${url.pathname}`,
    options
  )

export const adopt = (
  native: NativeWebTransport,
  service: ConstructorService | undefined,
  options: SessionOptions
): Effect.Effect<SessionHandle, WebTransportError, Scope.Scope> => establish(() => native, service, "the peer", options)
