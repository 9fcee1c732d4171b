/** The failures of requests. */
import { findError } from "#effect/cause"
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { FramingError } from "../../FramingError.js"
import { PoolError, type Reason } from "../../PoolError.js"
import { RequestError } from "../../RequestError.js"
import { WebTransportError } from "../../WebTransportError.js"
import type { Loss, Refusal } from "../core/requests/requestCommands.js"
import type { RequestMachine } from "../core/requests/requestMachine.js"
import type { SharedRequest } from "../core/requests/sharedStream.js"
import { drained, type Wait } from "../observe/poolTexts.js"
import { withoutStack } from "../observe/withoutStack.js"
import type { StreamPoolContext } from "../streams/streamView.js"

/** Why a stream is lost, or none came. */
export type Trouble =
  | { readonly _tag: "Transport"; readonly cause: WebTransportError }
  | { readonly _tag: "Framing"; readonly cause: FramingError }
  | { readonly _tag: "NoAnswer" }
  | { readonly _tag: "Borrow"; readonly cause: Cause.Cause<WebTransportError | PoolError> }

/** What the pool of streams tells. */
type Streams = Pick<StreamPoolContext["pool"], "wait" | "described">

type Failed = Exit.Exit<never, RequestError>

const failed = (reason: RequestError["reason"], sent: "no" | "maybe", cause?: RequestError["cause"]): Failed =>
  Exit.fail(new RequestError({ reason, sent, ...(cause === undefined ? {} : { cause }) }))

export class Troubles {
  private readonly name: string
  private readonly machine: RequestMachine<any, Trouble>
  private readonly streams: Streams

  constructor(name: string, machine: RequestMachine<any, Trouble>, streams: Streams) {
    this.name = name
    this.machine = machine
    this.streams = streams
  }

  /** The outcome of a request that was not sent. */
  refused({ since }: SharedRequest, refusal: Refusal<Trouble>, now: number): Failed {
    const { maxInFlight } = this.machine.options
    switch (refusal._tag) {
      case "QueueFull":
        return failed("Borrow", "no", this.queueFull())
      case "AcquireTimeout": {
        const { asking, streams } = this.machine
        const wait = asking.asked === 0 ? undefined : this.streamWait
        const noRoom =
          `No stream has room: each has maxInFlight (${maxInFlight}) requests in flight, or takes no more ` +
          "bytes. Does the peer answer?"
        const detail = wait === undefined || (streams.open > 0 && wait.cause === undefined)
          ? noRoom
          : streams.open === 0
          ? wait.detail
          : `${noRoom} No other stream came: ${wait.detail}`
        return failed("Borrow", "no", this.poolError("AcquireTimeout", now - since, detail, wait?.cause))
      }
      case "NoStream":
        return refusal.failure._tag === "Borrow" ? this.noStream(refusal.failure.cause) : this.lost(refusal.failure)
      case "PoolClosed":
        return failed("Borrow", "no", this.closed())
      case "Changed":
        return Exit.die(
          new TypeError("message must keep its bytes until it is sent, but was detached or resized before")
        )
    }
  }

  queueFull(): PoolError {
    const { maxWaiters } = this.machine.options
    return this.poolError("QueueFull", 0, `maxWaiters ${maxWaiters}; its size is maxStreams times maxInFlight`)
  }

  closed(): PoolError {
    return this.poolError("PoolClosed", 0, this.machine.state === "Draining" ? drained : undefined)
  }

  /** `hasPlace`: no more requests have streams of their own than may. */
  noStreamAlone(waited: number, hasPlace: boolean): PoolError {
    const { cause, detail } = hasPlace ? this.streamWait : { cause: undefined, detail: this.noPlace }
    return this.poolError("AcquireTimeout", waited, `No stream was free for an exclusive request. ${detail}`, cause)
  }

  private get noPlace(): string {
    const { exclusive, waiting } = this.machine
    return `${
      exclusive - waiting.alone
    } exclusive requests have streams; the others are for shared ones. Does the peer answer?`
  }

  /** What those wait for that wait for a stream, in the words of the pool of streams. */
  private get streamWait(): Wait {
    const { wait } = this.streams
    return wait.detail === undefined ? this.streams.described : wait
  }

  /** A defect in a creation is a defect of the request, too. */
  private noStream(cause: Cause.Cause<WebTransportError | PoolError>): Failed {
    const error = findError(cause)
    return Option.isSome(error) ? failed("Borrow", "no", error.value) : Exit.failCause(cause as Cause.Cause<never>)
  }

  /** The outcome of a request that the peer may have received. */
  failed(loss: Loss<Trouble>): Failed {
    switch (loss._tag) {
      case "Broken":
        return this.lost(loss.failure)
      case "Silent":
        return failed(
          "Transport",
          "maybe",
          new WebTransportError({
            reason: "Read",
            detail: this.silent,
            advice: "the peer hangs, or the network is gone"
          })
        )
      case "Overflow":
        return failed("Overflow", "maybe")
      case "GraceOver":
        return failed(
          "Transport",
          "maybe",
          new WebTransportError({
            reason: "Read",
            detail: this.graceOver,
            advice: "close the pool after the requests, or raise shutdownGrace"
          })
        )
    }
  }

  get graceOver(): string {
    return `the pool ${this.name} is closing, and shutdownGrace is over`
  }

  get silent(): string {
    const { silenceTimeout } = this.machine.options
    return `nothing came on the session for ${
      Duration.format(Duration.millis(silenceTimeout))
    }, and keepAlive.ping failed`
  }

  private lost(trouble: Trouble): Failed {
    return trouble._tag === "NoAnswer" || trouble._tag === "Borrow"
      ? failed("NoAnswer", "maybe")
      : failed(trouble._tag, "maybe", trouble.cause)
  }

  private poolError(reason: Reason, waited: number, detail: string | undefined, cause?: unknown): PoolError {
    const { asking, options, streams, waiting } = this.machine
    return withoutStack(() =>
      new PoolError({
        reason,
        pool: this.name,
        waited: Duration.millis(Math.round(waited)),
        size: streams.size,
        maxSize: options.maxStreams,
        inUse: streams.busy,
        creating: asking.asked,
        waiters: waiting.length + waiting.alone,
        detail,
        ...(cause === undefined ? {} : { cause })
      })
    )
  }
}
