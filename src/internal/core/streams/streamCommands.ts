import type { Linked, LinkedList } from "../linkedList.js"
import type { LaneStream, SessionLane } from "./sessionLane.js"

/** Times are milliseconds. */
export interface StreamMachineOptions {
  readonly maxStreamsPerSession: number
  readonly maxStreamsOpened: number
  readonly openTimeout: number
  readonly suspectAfter: number
}

/** What the pool does with a stream that a borrower returned. */
export type ReturnVerdict = "keep" | "discard" | "retire"

/** `Late`: no stream came within `openTimeout`. `Gone`: the only session is gone. `Closed`: the pool is closed. */
export type Refusal<F> =
  | { readonly _tag: "Failed"; readonly failure: F }
  | { readonly _tag: "Gone"; readonly lane: SessionLane<any> }
  | { readonly _tag: "Late" }
  | { readonly _tag: "Closed" }

/** A creation that waits for a stream. */
export class StreamRequest implements Linked<StreamRequest> {
  /** Its borrower waits for this very stream, not for an item of the pool. */
  readonly isPersonal: boolean
  state: "Waiting" | "Granted" | "Refused" | "Abandoned" = "Waiting"
  stream: LaneStream<any, any> | undefined = undefined
  previous: StreamRequest | undefined = undefined
  next: StreamRequest | undefined = undefined
  list: LinkedList<any> | undefined = undefined

  constructor(isPersonal: boolean) {
    this.isPersonal = isPersonal
  }
}

/** The commands of the machine to its shell, after the transition. */
export type StreamCommand<F> =
  /** Answered by `opened` or `openFailed`. */
  | { readonly _tag: "OpenStream"; readonly lane: SessionLane<any> }
  /** The machine no longer waits for the stream. If the stream comes, end it. */
  | { readonly _tag: "AbandonOpening"; readonly lane: SessionLane<any> }
  /** Answered by `sessionCame` or `sessionFailed`. */
  | { readonly _tag: "AskForSession" }
  | { readonly _tag: "GiveSessionBack"; readonly lane: SessionLane<any>; readonly hasReceived: boolean }
  /** `isUngranted`: the session grants no stream. */
  | { readonly _tag: "RetireSession"; readonly lane: SessionLane<any>; readonly isUngranted: boolean }
  /** The session's latest ping no longer explains refusals. */
  | { readonly _tag: "ForgetPing"; readonly lane: SessionLane<any> }
  /** Answered by `ended` when the platform confirms it. */
  | { readonly _tag: "EndStream"; readonly stream: LaneStream<any, any>; readonly how: "finish" | "reset" }
  | { readonly _tag: "StopAwaitingWrites"; readonly stream: LaneStream<any, any> }
  | { readonly _tag: "Grant"; readonly request: StreamRequest; readonly stream: LaneStream<any, any> }
  | { readonly _tag: "Refuse"; readonly request: StreamRequest; readonly refusal: Refusal<F> }
  /** The pool should make an item of a spare stream; answered by `prepared`. */
  | { readonly _tag: "PrepareItem"; readonly stream: LaneStream<any, any> }
  /** The item closes when it is idle. */
  | { readonly _tag: "RetireItem"; readonly stream: LaneStream<any, any> }
  /** The stream's session is dead. */
  | { readonly _tag: "LoseItem"; readonly stream: LaneStream<any, any> }
  /** The fixed session is gone: no stream will come any more. */
  | { readonly _tag: "BreakDown"; readonly lane: SessionLane<any> }
  | { readonly _tag: "WarnSuspect"; readonly lane: SessionLane<any>; readonly unanswered: number }
  /** Answered by `tick`. The machine sends it only to wake earlier than before. */
  | { readonly _tag: "WakeAt"; readonly at: number }
