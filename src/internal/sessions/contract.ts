/** The options and the service of a session pool, typed for this room. `SessionPool` documents them. */
import type { DurationInput } from "#effect/duration"
import type * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import type { PoolError } from "../../PoolError.js"
import type * as ResourcePool from "../../ResourcePool.js"
import type * as WebTransport from "../../WebTransport.js"
import type { WebTransportError } from "../../WebTransportError.js"
import type { EndpointsOption } from "./endpointList.js"

export interface Unwanted {
  readonly streams: number
  readonly datagrams: number
}

export interface SessionPoolService extends ResourcePool.ResourcePool<WebTransport.Session, WebTransportError> {
  readonly unwanted: Effect.Effect<Unwanted>
  readonly endpoints: Effect.Effect<ReadonlyArray<EndpointStats>>
}

/** The figures of an endpoint. */
export interface EndpointStats {
  readonly endpoint: string
  readonly priority: number
  readonly weight: number
  readonly state: "Well" | "Failing" | "Ejected" | "Removed"
  readonly sessions: number
  readonly opening: number
  readonly maxOpening: number
  readonly opened: number
  readonly failures: number
  readonly ejections: number
}

type RideOut = (cause: Cause.Cause<WebTransportError | PoolError>) => DurationInput

export interface SessionPoolOptions<E, R>
  extends Omit<ResourcePool.Options<WebTransport.Session, E, R, unknown>, "acquire" | "lost" | "retire" | "rideOut">
{
  readonly url?: string | URL | Effect.Effect<string | URL, E, R> | undefined
  readonly endpoints?: EndpointsOption<R> | undefined
  readonly balance?: "even" | "ordered" | undefined
  readonly attemptDelay?: DurationInput | undefined
  readonly consecutiveFailures?: number | undefined
  readonly baseEjectionTime?: DurationInput | undefined
  readonly maxEjectionTime?: DurationInput | undefined
  readonly failbackAfter?: DurationInput | undefined
  readonly connect?: WebTransport.ConnectOptions<E, R> | undefined
  readonly rideOut?: DurationInput | RideOut | undefined
  readonly maxStreamsOpened?: number | undefined
  readonly onOpen?: ((session: WebTransport.Session) => Effect.Effect<unknown, E, R>) | undefined
  readonly onIncoming?:
    | ((
      stream: WebTransport.BidirectionalStream | WebTransport.ReceiveStream,
      session: WebTransport.Session
    ) => Effect.Effect<unknown, E, R>)
    | undefined
  readonly onDatagram?:
    | ((datagram: Uint8Array, session: WebTransport.Session) => Effect.Effect<unknown, E, R>)
    | undefined
}
