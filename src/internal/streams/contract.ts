/** The options and the service of a stream pool, typed for this room. `StreamPool` documents them. */
import type { Socket } from "#effect/socket"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { RequestError } from "../../RequestError.js"
import type * as ResourcePool from "../../ResourcePool.js"
import type * as WebTransport from "../../WebTransport.js"
import type { WebTransportError } from "../../WebTransportError.js"
import type { SessionPoolService } from "../sessions/contract.js"
import type { StreamOptions } from "./streamOptions.js"

export interface SessionInfo {
  readonly native: WebTransport.NativeWebTransport
  readonly streams: number
  readonly inUse: number
  readonly opened: number
  readonly capacity: number
  readonly isSuspect: boolean
  readonly isRetired: boolean
}

export interface RequestOptions {
  readonly maxMessageSize?: number | undefined
  readonly correlate?: boolean | undefined
}

export interface RequestStreamOptions extends RequestOptions {
  readonly isLast?: ((message: Uint8Array) => boolean) | undefined
}

export interface StreamPoolService
  extends ResourcePool.ResourcePool<WebTransport.BidirectionalStream, WebTransportError>
{
  readonly request: (
    message: Uint8Array,
    options?: RequestOptions | undefined
  ) => Effect.Effect<Uint8Array, RequestError>
  readonly requestStream: (
    message: Uint8Array,
    options?: RequestStreamOptions | undefined
  ) => Stream.Stream<Uint8Array, RequestError>
  readonly makeSocket: Effect.Effect<Socket>
  readonly sessions: Effect.Effect<ReadonlyArray<SessionInfo>>
}

type HookNames = "validate" | "keepAlive" | "onRelease"

export interface StreamPoolOptions<E, R>
  extends Omit<StreamOptions, HookNames>, Pick<ResourcePool.Options<WebTransport.BidirectionalStream, E, R>, HookNames>
{
  readonly session?: WebTransport.Session | undefined
  readonly sessionPool?: SessionPoolService | undefined
}
