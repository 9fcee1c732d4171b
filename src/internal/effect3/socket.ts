/** A stream as a `Socket`: of `@effect/platform` in Effect 3, of `effect` itself in Effect 4. */
import * as Socket from "@effect/platform/Socket"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { into } from "./deferred.js"
import { andThen, catchAll, forkDetach } from "./effect.js"
import { makeLatch } from "./latch.js"

export type { Socket } from "@effect/platform/Socket"

/** What a socket needs of a stream. */
export interface SocketStream {
  /** None once the peer has finished. */
  readonly read: Effect.Effect<Option.Option<Uint8Array>, unknown>
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, unknown>
  readonly closeWrite: Effect.Effect<void, unknown>
  /** Completes, with the reason, when bytes that were accepted are not sent. */
  readonly whenCut: Effect.Effect<unknown>
}

interface Connection {
  readonly stream: SocketStream
  /** The end of the run. Fails when a writer closes the socket. */
  readonly done: Deferred.Deferred<void, any>
  /** Whether a writer's scope has ended. After that, a failing write does not break the run. */
  isFinished: boolean
}

const encoder = new TextEncoder()

const failure = (reason: "Open" | "Read" | "Write") => (cause: unknown) =>
  new Socket.SocketGenericError({ reason, cause })

const finish = (connection: Connection): Effect.Effect<void> =>
  Effect.suspend(() => {
    connection.isFinished = true
    return Effect.asVoid(forkDetach(Effect.ignore(connection.stream.closeWrite)))
  })

/** Writing is over. The run fails, too, so that the user of the socket connects again. */
const broken = (connection: Connection, error: Socket.SocketError): Effect.Effect<unknown> =>
  Effect.suspend(() => connection.isFinished ? Effect.void : Deferred.fail(connection.done, error))

/** A socket that acquires a stream for each run. */
export const makeSocket = (
  acquire: Effect.Effect<SocketStream, unknown, Scope.Scope>
): Socket.Socket => {
  const latch = makeLatch(false)
  let current: Connection | undefined
  let isRunning = false

  /** Allows one run at a time: with more, writers would not know their stream. */
  const onlyOne = Effect.acquireRelease(
    Effect.suspend(() => {
      if (isRunning) return Effect.fail(failure("Open")(new Error("this socket is already running: make another one")))
      isRunning = true
      return Effect.void
    }),
    () => Effect.sync(() => isRunning = false)
  )

  const run: Socket.Socket["run"] = <_, E, R>(
    handler: (bytes: Uint8Array) => Effect.Effect<_, E, R> | void,
    options?: { readonly onOpen?: Effect.Effect<void> | undefined }
  ) =>
    Effect.gen(function*() {
      yield* onlyOne
      const stream = yield* Effect.mapError(acquire, failure("Open"))
      const done = yield* Deferred.make<void, Socket.SocketError | E>()
      const handlers = yield* FiberSet.make<unknown, E>()
      const fork = yield* FiberSet.runtime(handlers)<R>()
      const connection: Connection = { stream, done, isFinished: false }
      yield* Effect.acquireRelease(
        andThen(Effect.sync(() => current = connection), latch.open),
        () =>
          Effect.suspend(() => {
            if (current !== connection) return Effect.void
            current = undefined
            return latch.close
          })
      )
      if (options?.onOpen !== undefined) yield* options.onOpen
      const reading: Effect.Effect<void, Socket.SocketError> = Effect.flatMap(
        Effect.mapError(stream.read, failure("Read")),
        (bytes) => {
          if (Option.isNone(bytes)) return Effect.void
          const handling = handler(bytes.value)
          if (Effect.isEffect(handling)) fork(handling)
          return reading
        }
      )
      // what came before the peer finished is handled to its end
      const toTheEnd = andThen(reading, FiberSet.awaitEmpty(handlers))
      // not `raceFirst`, which hangs if it is interrupted just before it starts its fibers (effect 3.22)
      yield* Effect.forkScoped(into(toTheEnd, done))
      yield* Effect.forkScoped(into(FiberSet.join(handlers), done))
      // the peer would wait for what never comes, and so would those who wait for its answers
      yield* Effect.forkScoped(Effect.flatMap(stream.whenCut, (cause) => broken(connection, failure("Write")(cause))))
      yield* Deferred.await(done).pipe(
        // inside the scope, so that the stream ends in success
        Effect.catchIf(
          Socket.SocketCloseError.isClean((code) => !Socket.defaultCloseCodeIsError(code)),
          () => Effect.void
        )
      )
    }).pipe(Effect.scoped)

  const write = (chunk: Uint8Array | string | Socket.CloseEvent): Effect.Effect<void, Socket.SocketError> =>
    latch.whenOpen(Effect.suspend(() => {
      if (current === undefined) return write(chunk)
      const connection = current
      const { done, stream } = connection
      if (Socket.isCloseEvent(chunk)) {
        const { code, reason } = chunk
        return Effect.asVoid(
          Deferred.fail(done, new Socket.SocketCloseError({ reason: "Close", code, closeReason: reason }))
        )
      }
      return catchAll(stream.write(typeof chunk === "string" ? encoder.encode(chunk) : chunk), (cause) => {
        const error = failure("Write")(cause)
        return andThen(broken(connection, error), Effect.fail(error))
      })
    }))

  return {
    [Socket.TypeId]: Socket.TypeId,
    run,
    runRaw: run as Socket.Socket["runRaw"],
    writer: Effect.acquireRelease(
      Effect.succeed(write),
      // the finalizer does not wait: the finish comes after all writes, and a peer that hangs takes none of them
      () => Effect.suspend(() => current === undefined ? Effect.void : finish(current))
    )
  }
}
