/** A stream as a `Socket`: of `@effect/platform` in Effect 3, of `effect` itself in Effect 4. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import { makeLatch } from "./latch.js"

export type { Socket } from "effect/socket/Socket"

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
  /** The scope of the stream. Its end fails a pending read. */
  readonly scope: Scope.Closeable
  readonly stream: SocketStream
  /** Why the connection is over, before its reader's scope is. */
  failure: Socket.SocketError | undefined
  /** Whether a writer's scope has ended. After that, a failing write does not break the connection. */
  isFinished: boolean
}

const encoder = new TextEncoder()

const bytesOf = (chunk: Uint8Array | string): Uint8Array => typeof chunk === "string" ? encoder.encode(chunk) : chunk

const openError = (cause: unknown) =>
  new Socket.SocketError({ reason: new Socket.SocketOpenError({ kind: "Unknown", cause }) })

const readError = (cause: unknown) => new Socket.SocketError({ reason: new Socket.SocketReadError({ cause }) })

const writeError = (cause: unknown) => new Socket.SocketError({ reason: new Socket.SocketWriteError({ cause }) })

const closeError = (code: number, closeReason?: string | undefined) =>
  new Socket.SocketError({ reason: new Socket.SocketCloseError({ code, closeReason }) })

const isClean = ({ reason }: Socket.SocketError): boolean =>
  reason._tag === "SocketCloseError" && (reason.code === 1000 || reason.code === 1006)

/** The stream ends in success after a clean end of the connection, although that fails the last pull. */
const endOf = ({ failure }: Connection, exit: Exit.Exit<unknown, unknown>): Exit.Exit<unknown, unknown> =>
  failure === undefined ? exit : isClean(failure) ? Exit.void : Exit.fail(failure)

/** The connection is over. A pending pull fails, so that the user of the socket connects again. */
const over = (connection: Connection, failure: Socket.SocketError): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (connection.failure !== undefined) return Effect.void
    connection.failure = failure
    // detached, since the scope has the fiber that waits for `whenCut`
    return Effect.asVoid(Effect.forkDetach(Scope.close(connection.scope, endOf(connection, Exit.void))))
  })

/** Writing is over, so reading ends, too. */
const broken = (connection: Connection, failure: Socket.SocketError): Effect.Effect<void> =>
  Effect.suspend(() => connection.isFinished ? Effect.void : over(connection, failure))

const finish = (connection: Connection): Effect.Effect<void> =>
  Effect.suspend(() => {
    connection.isFinished = true
    return Effect.asVoid(Effect.forkDetach(Effect.ignore(connection.stream.closeWrite)))
  })

const pullOf = (connection: Connection): Socket.Reader["pull"] =>
  Effect.suspend(() => {
    if (connection.failure !== undefined) return Effect.fail(connection.failure)
    return Effect.matchEffect(connection.stream.read, {
      onFailure: (cause) => Effect.fail(connection.failure ?? readError(cause)),
      onSuccess: (bytes) => {
        if (Option.isSome(bytes)) return Effect.succeed([bytes.value] as const)
        return Effect.fail(connection.failure ??= closeError(1000))
      }
    })
  })

/** A socket that acquires a stream for each reader. */
export const makeSocket = (
  acquire: Effect.Effect<SocketStream, unknown, Scope.Scope>
): Socket.Socket => {
  const latch = makeLatch(false)
  let current: Connection | undefined
  let isRunning = false

  const connect = (
    scope: Scope.Closeable,
    restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  ): Effect.Effect<Connection, Socket.SocketError> =>
    Effect.gen(function*() {
      const stream = yield* restore(Effect.mapError(Scope.provide(acquire, scope), openError))
      const connection: Connection = { scope, stream, failure: undefined, isFinished: false }
      // the peer would wait for what never comes, and so would those who wait for its answers
      const cut = Effect.flatMap(stream.whenCut, (cause) => broken(connection, writeError(cause)))
      yield* Effect.forkIn(Effect.interruptible(cut), scope)
      current = connection
      yield* latch.open
      return connection
    })

  const reader: Socket.Socket["reader"] = Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      // with more, writers would not know their stream
      if (isRunning) {
        return yield* Effect.fail(openError(new Error("this socket is already running: make another one")))
      }
      isRunning = true
      const outer = yield* Effect.scope
      const scope = yield* Scope.make()
      const release = (exit: Exit.Exit<unknown, unknown>) =>
        Effect.ensuring(Scope.close(scope, exit), Effect.sync(() => isRunning = false))
      const connection = yield* Effect.onError(connect(scope, restore), (cause) => release(Exit.failCause(cause)))
      yield* Scope.addFinalizerExit(outer, (exit) =>
        Effect.suspend(() => {
          current = undefined
          latch.closeUnsafe()
          const end = endOf(connection, exit)
          connection.failure ??= closeError(1006)
          return release(end)
        }))
      return { pull: pullOf(connection), upgrade: Socket.SocketUpgradeError.unsupported }
    })
  )

  const write = (chunk: Uint8Array | string | Socket.CloseEvent): Effect.Effect<void, Socket.SocketError> =>
    latch.whenOpen(Effect.suspend(() => {
      if (current === undefined) return write(chunk)
      const connection = current
      if (Socket.isCloseEvent(chunk)) return over(connection, closeError(chunk.code, chunk.reason))
      return Effect.catch(connection.stream.write(bytesOf(chunk)), (cause) => {
        const error = writeError(cause)
        return Effect.andThen(broken(connection, error), Effect.fail(error))
      })
    }))

  /** In one write, so that an interrupted one has handed over all bytes or none. */
  const writeAll: Socket.Writer["writeAll"] = (chunks) => {
    const parts = chunks.map(bytesOf)
    const all = new Uint8Array(parts.reduce((size, part) => size + part.byteLength, 0))
    let at = 0
    for (const part of parts) {
      all.set(part, at)
      at += part.byteLength
    }
    return write(all)
  }

  return Socket.make({
    reader,
    writer: Effect.acquireRelease(
      Effect.succeed({ write, writeAll }),
      // the finalizer does not wait: the finish comes after all writes, and a peer that hangs takes none of them
      () => Effect.suspend(() => current === undefined ? Effect.void : finish(current))
    )
  })
}
