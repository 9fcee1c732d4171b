/** Sends one message of `Framing` and reads its answers. The message is never sent again. */
import { repeatEffectOption, unwrap } from "#effect/stream"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { FramingError } from "../../FramingError.js"
import { RequestError } from "../../RequestError.js"
import type * as ResourcePool from "../../ResourcePool.js"
import type * as WebTransport from "../../WebTransport.js"
import type { WebTransportError } from "../../WebTransportError.js"
import { splitId } from "../core/bytes/frameCodec.js"
import { frameOf } from "../framing/encoding.js"
import { read } from "../framing/messages.js"
import { framingError } from "../transport/failure.js"
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
const questionOf = (message: Uint8Array, options: RequestOptions | undefined): Question | RequestError => {
  const id = options?.correlate === true ? newId() : undefined
  const frame = frameOf(message, { maxMessageSize: options?.maxMessageSize, id })
  return frame._tag === "Frame"
    ? { id, frame: frame.bytes }
    : new RequestError({ reason: "Framing", sent: "no", cause: framingError(frame) })
}

/** The next answer. With an id, answers to other requests are skipped. */
const receive = (
  view: StreamView,
  id: number | undefined,
  options: RequestOptions | undefined
): Effect.Effect<Option.Option<Uint8Array>, FramingError | WebTransportError> => {
  const next = read(view, options)
  if (id === undefined) return next
  return Effect.flatMap(next, (message): typeof next => {
    if (Option.isNone(message)) return Effect.succeedNone
    const split = splitId(message.value)
    if (split._tag !== "Identified") return Effect.fail(framingError(split))
    return split.id === id ? Effect.succeedSome(split.message) : receive(view, id, options)
  })
}

type Pool = ResourcePool.ResourcePool<WebTransport.BidirectionalStream, Failure>

/** The methods of a pool that requests need. */
export interface Borrowable extends Pick<Pool, "get"> {
  readonly use: <E, R>(
    f: (stream: WebTransport.BidirectionalStream) => Effect.Effect<Option.Option<Uint8Array>, E, R>
  ) => Effect.Effect<Option.Option<Uint8Array>, E | Failure, R>
}

export const requestOn = (pool: Borrowable): StreamPoolService["request"] => (message, options) =>
  Effect.suspend(() => {
    const question = questionOf(message, options)
    if (question instanceof RequestError) return Effect.fail(question)
    const { frame, id } = question
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

export const requestStreamOn = (pool: Borrowable): StreamPoolService["requestStream"] => (message, options) =>
  unwrap(Effect.gen(function*() {
    const isLast = options?.isLast
    const question = questionOf(message, options)
    if (question instanceof RequestError) return yield* Effect.fail(question)
    const { frame, id } = question
    const view = (yield* Effect.mapError(pool.get, (trouble) => failing(undefined, trouble))) as StreamView
    // a reader that stops before the last answer leaves the rest on the stream
    view.isForOneUse = true
    const failed = (trouble: Trouble): RequestError => {
      view.requestEnd = "failures"
      return failing(view, trouble)
    }
    yield* Effect.mapError(view.writeOwned(frame), failed)
    const next = Effect.mapError(receive(view, id, options), (trouble) => Option.some(failed(trouble)))
    let isDone = false
    return repeatEffectOption(
      Effect.suspend(() =>
        isDone ? Effect.fail(Option.none()) : Effect.flatMap(next, (message) => {
          if (Option.isNone(message)) {
            if (isLast !== undefined) return Effect.fail(Option.some(failed("NoAnswer")))
            view.requestEnd = "answered"
            return Effect.fail(Option.none())
          }
          if (isLast?.(message.value) === true) {
            isDone = true
            view.requestEnd = "answered"
            view.isForOneUse = false
          }
          return Effect.succeed(message.value)
        })
      )
    )
  }))
