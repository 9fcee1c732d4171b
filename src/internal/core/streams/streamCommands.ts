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
export type StreamVerdict = "keep" | "discard" | "retire"

/** `Late`: no stream came within `openTimeout`. `Gone`: the only session is gone. `Closed`: the pool is closed. */
export type StreamRefusal<F, Lane = SessionLane<any>> =
  | { readonly _tag: "Failed"; readonly failure: F }
  | { readonly _tag: "Gone"; readonly lane: Lane }
  | { readonly _tag: "Late" }
  | { readonly _tag: "Closed" }

/** A creation that waits for a stream. */
export class StreamRequest<Stream = LaneStream<any, any>> implements Linked<StreamRequest<any>> {
  /** Its borrower waits for this very stream, not for an item of the pool. */
  readonly isPersonal: boolean
  state: "Waiting" | "Granted" | "Refused" | "Abandoned" = "Waiting"
  stream: Stream | undefined = undefined
  previous: StreamRequest<any> | undefined = undefined
  next: StreamRequest<any> | undefined = undefined
  list: LinkedList<any> | undefined = undefined

  constructor(isPersonal: boolean) {
    this.isPersonal = isPersonal
  }
}

/** The commands of the machine to its shell, after the transition. */
export type StreamCommand<F, Stream = LaneStream<any, any>, Lane = SessionLane<any>, Request = StreamRequest> =
  /** Answered by `opened` or `openFailed`. */
  | { readonly _tag: "OpenStream"; readonly lane: Lane }
  /** The machine no longer waits for the stream. If the stream comes, end it. */
  | { readonly _tag: "AbandonOpening"; readonly lane: Lane }
  /** Answered by `sessionCame` or `sessionFailed`. */
  | { readonly _tag: "AskForSession" }
  | { readonly _tag: "GiveSessionBack"; readonly lane: Lane; readonly hasReceived: boolean }
  /** `isUngranted`: the session grants no stream. */
  | { readonly _tag: "RetireSession"; readonly lane: Lane; readonly isUngranted: boolean }
  /** The session's latest ping no longer explains refusals. */
  | { readonly _tag: "ForgetPing"; readonly lane: Lane }
  /** Answered by `ended` when the platform confirms it. */
  | { readonly _tag: "EndStream"; readonly stream: Stream; readonly how: "finish" | "reset" }
  | { readonly _tag: "StopAwaitingWrites"; readonly stream: Stream }
  | { readonly _tag: "Grant"; readonly request: Request; readonly stream: Stream }
  | { readonly _tag: "Refuse"; readonly request: Request; readonly refusal: StreamRefusal<F, Lane> }
  /** The pool should make an item of a spare stream; answered by `prepared`. */
  | { readonly _tag: "PrepareItem"; readonly stream: Stream }
  /** The item closes when it is idle. */
  | { readonly _tag: "RetireItem"; readonly stream: Stream }
  /** The stream's session is dead. */
  | { readonly _tag: "LoseItem"; readonly stream: Stream }
  /** The fixed session is gone: no stream will come any more. */
  | { readonly _tag: "BreakDown"; readonly lane: Lane }
  | { readonly _tag: "WarnSuspect"; readonly lane: Lane; readonly unanswered: number }
  /** Answered by `tick`. The machine sends it only to wake earlier than before. */
  | { readonly _tag: "WakeAt"; readonly at: number }
