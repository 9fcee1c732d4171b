import type { Linked, LinkedList } from "../linkedList.js"
import type { LaneStream, SessionLane } from "./sessionLane.js"

/** Milliseconds. */
export interface StreamMachineOptions {
  readonly maxStreamsPerSession: number
  readonly maxStreamsOpened: number
  readonly openTimeout: number
  readonly suspectAfter: number
}

/** What becomes of a stream that a borrower returned. */
export type ReturnVerdict = "keep" | "discard" | "retire"

/** `Late`: no stream came within `openTimeout`. `Gone`: the only session is. `Closed`: the pool is. */
export type Refusal<F> =
  | { readonly _tag: "Failed"; readonly failure: F }
  | { readonly _tag: "Gone"; readonly lane: SessionLane<any> }
  | { readonly _tag: "Late" }
  | { readonly _tag: "Closed" }

/** A creation that waits for a stream. */
export class StreamRequest implements Linked<StreamRequest> {
  /** Its borrower waits for this very stream, apart from those who wait for the pool. */
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

/** What the machine asks of its shell, once the transition is over. */
export type StreamCommand<F> =
  /** Answered by `opened` or `openFailed`. */
  | { readonly _tag: "OpenStream"; readonly lane: SessionLane<any> }
  /** The stream is not waited for any more, and is destroyed if it comes. */
  | { readonly _tag: "AbandonOpening"; readonly lane: SessionLane<any> }
  /** Answered by `sessionCame` or `sessionFailed`. */
  | { readonly _tag: "AskForSession" }
  | { readonly _tag: "GiveSessionBack"; readonly lane: SessionLane<any>; readonly hasReceived: boolean }
  /** `isUngranted`: the session grants no stream. */
  | { readonly _tag: "RetireSession"; readonly lane: SessionLane<any>; readonly isUngranted: boolean }
  /** The session's latest ping explains refusals no longer. */
  | { readonly _tag: "ForgetPing"; readonly lane: SessionLane<any> }
  /** Answered by `ended` when the platform confirms it. */
  | { readonly _tag: "EndStream"; readonly stream: LaneStream<any, any>; readonly how: "finish" | "reset" }
  | { readonly _tag: "StopAwaitingWrites"; readonly stream: LaneStream<any, any> }
  | { readonly _tag: "Grant"; readonly request: StreamRequest; readonly stream: LaneStream<any, any> }
  | { readonly _tag: "Refuse"; readonly request: StreamRequest; readonly refusal: Refusal<F> }
  /** The pool is to make an item of a stream that no request waited for; answered by `prepared`. */
  | { readonly _tag: "PrepareItem"; readonly stream: LaneStream<any, any> }
  /** The item goes when it is idle. */
  | { readonly _tag: "RetireItem"; readonly stream: LaneStream<any, any> }
  /** The stream's session is dead. */
  | { readonly _tag: "LoseItem"; readonly stream: LaneStream<any, any> }
  /** The fixed session is gone: there will be no stream any more. */
  | { readonly _tag: "BreakDown"; readonly lane: SessionLane<any> }
  | { readonly _tag: "WarnSuspect"; readonly lane: SessionLane<any>; readonly unanswered: number }
  /** Answered by `tick`. A later time than one asked for before is no command. */
  | { readonly _tag: "WakeAt"; readonly at: number }
