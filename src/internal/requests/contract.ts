/** The options and the service of a request pool, typed for this room. `RequestPool` documents them. */
import type { Inspectable } from "#effect/inspect"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { PoolError } from "../../PoolError.js"
import type { RequestPoolStats } from "../../PoolStats.js"
import type { RequestError } from "../../RequestError.js"
import type * as WebTransport from "../../WebTransport.js"
import type { SessionPoolService } from "../sessions/contract.js"
import type { StreamPoolService } from "../streams/contract.js"
import type { RequestOptions } from "./requestOptions.js"

type IsLast = (message: Uint8Array) => boolean

export type RequestStreamOptions =
  | { readonly shared?: false | undefined; readonly isLast?: IsLast | undefined }
  | { readonly shared: true; readonly isLast: IsLast }

export interface RequestPoolService extends Inspectable {
  readonly name: string
  readonly request: (message: Uint8Array) => Effect.Effect<Uint8Array, RequestError>
  readonly requestStream: (
    message: Uint8Array,
    options?: RequestStreamOptions | undefined
  ) => Stream.Stream<Uint8Array, RequestError>
  readonly drain: Effect.Effect<void>
  readonly close: Effect.Effect<void>
  readonly stats: Effect.Effect<RequestPoolStats>
  readonly awaitStats: (predicate: (stats: RequestPoolStats) => boolean) => Effect.Effect<RequestPoolStats, PoolError>
}

export interface RequestPoolOptions<E, R> extends Omit<RequestOptions, "keepAlive"> {
  readonly streamPool?: StreamPoolService | undefined
  readonly sessionPool?: SessionPoolService | undefined
  readonly keepAlive?: {
    readonly ping: (session: WebTransport.Session) => Effect.Effect<unknown, E, R>
  } | undefined
}
