/** The types of the test transport, typed for this room. The public module documents them. */
import type { DurationInput } from "#effect/duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { CloseInfo } from "../../../WebTransportConstructor.js"
import type { WebTransportError } from "../../../WebTransportError.js"

export interface ServerSendStream {
  readonly isCancelled: boolean
  readonly write: (bytes: Uint8Array) => Effect.Effect<void>
  readonly finish: Effect.Effect<void>
  readonly reset: Effect.Effect<void>
}

export interface ServerReceiveStream {
  readonly read: Effect.Effect<Option.Option<Uint8Array>, WebTransportError>
  readonly sending: "Open" | "Finished" | "Reset"
  readonly stopSending: Effect.Effect<void>
  readonly stall: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
}

export interface ServerStream extends ServerSendStream, ServerReceiveStream {}

export interface StreamCounts {
  readonly requested: number
  readonly granted: number
  readonly refused: number
  readonly pending: number
  readonly mostPending: number
}

export interface ServerSession {
  readonly url: string
  readonly isOpen: boolean
  readonly streams: ReadonlyArray<ServerStream>
  readonly streamCounts: StreamCounts
  readonly headers: Readonly<Record<string, string>>
  readonly drain: Effect.Effect<void>
  readonly openBidirectional: Effect.Effect<ServerStream, WebTransportError>
  readonly openUnidirectional: Effect.Effect<ServerSendStream, WebTransportError>
  readonly sendDatagram: (bytes: Uint8Array) => Effect.Effect<void>
  readonly receiveDatagram: Effect.Effect<Uint8Array, WebTransportError>
  readonly closeWith: (info: CloseInfo) => Effect.Effect<void>
  readonly die: Effect.Effect<void>
  readonly hang: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
  readonly holdStreams: Effect.Effect<void>
  readonly grantStreams: Effect.Effect<void>
}

export interface Behaviour {
  readonly connect?: "accept" | "refuse" | "ignore" | undefined
  readonly status?: number | undefined
  readonly responseHeaders?: Readonly<Record<string, string>> | undefined
  readonly connectDelay?: DurationInput | undefined
  readonly streamLimit?: number | undefined
  readonly creditBatch?: number | undefined
  readonly beyondLimit?: "refuse" | "wait" | undefined
  readonly confirmEnds?: boolean | undefined
  readonly writeRoom?: number | undefined
  readonly onStream?: ((stream: ServerStream, session: ServerSession) => Effect.Effect<void, unknown>) | undefined
  readonly onUnidirectional?:
    | ((stream: ServerReceiveStream, session: ServerSession) => Effect.Effect<void, unknown>)
    | undefined
  readonly maxDatagramSize?: number | undefined
}

export type Behaviours = Behaviour | ((index: number) => Behaviour)

export interface Service {
  readonly sessions: Effect.Effect<ReadonlyArray<ServerSession>>
  readonly behave: (behaviour: Behaviours) => Effect.Effect<void>
}
