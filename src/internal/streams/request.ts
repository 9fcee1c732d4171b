/** Sends one message of `Framing` and reads its answers. The message is never sent again. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Framing from "../../Framing.js"
import type { FramingError } from "../../FramingError.js"
import { RequestError } from "../../RequestError.js"
import type * as ResourcePool from "../../ResourcePool.js"
import type * as WebTransport from "../../WebTransport.js"
import type { WebTransportError } from "../../WebTransportError.js"
import type { RequestOptions, StreamPoolService } from "./contract.js"
import type { Failure } from "./streamSource.js"
import type { StreamView } from "./streamView.js"

type Trouble = Failure | FramingError | "NoAnswer"

/** The error of a request, with whether its message was sent. */
const failing = (view: StreamView | undefined, trouble: Trouble): RequestError => {
  const sent = view?.wasWritten === true ? "maybe" : "no"
  if (trouble === "NoAnswer") return new RequestError({ reason: "NoAnswer", sent })
  const reason = view === undefined ? "Borrow" : trouble._tag === "FramingError" ? "Framing" : "Transport"
  return new RequestError({ reason, sent, cause: trouble })
}

let latestId = 0

/** An id only has to differ from the ids of earlier requests on the same stream. */
const newId = (): number => latestId = (latestId + 1) % 0x4000_0000

interface Question {
  readonly id: number | undefined
  readonly frame: Uint8Array
}

/** Encodes before a stream is borrowed: an oversized message costs no stream, and a waiting request keeps its bytes. */
const questionOf = (
  message: Uint8Array,
  options: RequestOptions | undefined
): Either.Either<Question, RequestError> => {
  const id = options?.correlate === true ? newId() : undefined
  return Either.mapBoth(Framing.encode(message, { maxMessageSize: options?.maxMessageSize, id }), {
    onLeft: (cause) => new RequestError({ reason: "Framing", sent: "no", cause }),
    onRight: (frame) => ({ id, frame })
  })
}

/** The next answer. With an id, answers to other requests are skipped. */
const receive = (
  view: StreamView,
  id: number | undefined,
  options: RequestOptions | undefined
): Effect.Effect<Option.Option<Uint8Array>, FramingError | WebTransportError> => {
  const next = Framing.read(view, options)
  if (id === undefined) return next
  return Effect.flatMap(next, (message): typeof next => {
    if (Option.isNone(message)) return Effect.succeedNone
    const split = Framing.splitId(message.value)
    if (Either.isLeft(split)) return Effect.fail(split.left)
    return split.right.id === id ? Effect.succeedSome(split.right.message) : receive(view, id, options)
  })
}

type Pool = ResourcePool.ResourcePool<WebTransport.BidirectionalStream, Failure>

export const requestOn = (pool: Pool): StreamPoolService["request"] => (message, options) =>
  Effect.suspend(() => {
    const question = questionOf(message, options)
    if (Either.isLeft(question)) return Effect.fail(question.left)
    const { frame, id } = question.right
    let view: StreamView | undefined
    const answer = pool.use((stream) => {
      view = stream as StreamView
      return Effect.flatMap(view.writeOwned(frame), () => receive(stream as StreamView, id, options))
    })
    return Effect.matchEffect(answer, {
      onFailure: (trouble) => Effect.fail(failing(view, trouble)),
      onSuccess: (message) =>
        Option.isSome(message) ? Effect.succeed(message.value) : Effect.fail(failing(view, "NoAnswer"))
    })
  })

export const requestStreamOn = (pool: Pool): StreamPoolService["requestStream"] => (message, options) =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const isLast = options?.isLast
    const { frame, id } = yield* Effect.suspend(() => questionOf(message, options))
    const view = (yield* Effect.mapError(pool.get, (trouble) => failing(undefined, trouble))) as StreamView
    // a reader that stops before the last answer leaves the rest on the stream
    view.isForOneUse = true
    yield* Effect.mapError(view.writeOwned(frame), (trouble) => failing(view, trouble))
    const next = Effect.mapError(receive(view, id, options), (trouble) => Option.some(failing(view, trouble)))
    let isDone = false
    return Stream.repeatEffectOption(
      Effect.suspend(() =>
        isDone ? Effect.fail(Option.none()) : Effect.flatMap(next, (message) => {
          if (Option.isNone(message)) {
            return Effect.fail(isLast === undefined ? Option.none() : Option.some(failing(view, "NoAnswer")))
          }
          if (isLast?.(message.value) === true) {
            isDone = true
            view.isForOneUse = false
          }
          return Effect.succeed(message.value)
        })
      )
    )
  }))
