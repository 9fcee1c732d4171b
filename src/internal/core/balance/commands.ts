/** The commands of the machine: plain data, so that a run can be printed. */
import type { ConnectAttempt, Endpoint, EndpointEntry, EndpointSession, SessionCreation } from "./endpoint.js"

/** Commands are performed after the transition, and may call back. */
export type BalanceCommand<D extends EndpointEntry = EndpointEntry, F = unknown> =
  /** Answered by `opened` or `failed`. */
  | { readonly _tag: "Open"; readonly attempt: ConnectAttempt<D, F> }
  /** Nothing needs the attempt, or its session, any more. Close it; answered by `closed`. */
  | { readonly _tag: "Cancel"; readonly attempt: ConnectAttempt<D, F> }
  | { readonly _tag: "Won"; readonly creation: SessionCreation<D, F>; readonly attempt: ConnectAttempt<D, F> }
  /** Every endpoint has failed. */
  | { readonly _tag: "Failed"; readonly creation: SessionCreation<D, F> }
  /** The session takes no new borrower: its place is wanted at another endpoint. */
  | { readonly _tag: "Retire"; readonly session: EndpointSession<D, F> }
  /** Creations open no session to the endpoint until it has proved good. `duration`: no probe until then. */
  | { readonly _tag: "Ejected"; readonly endpoint: Endpoint<D, F>; readonly duration: number }
  /** The endpoint was well, and now creations use others. */
  | { readonly _tag: "Troubled"; readonly endpoint: Endpoint<D, F>; readonly why: "Connect" | "Death" | "Late" }
  /** Creations open sessions to the endpoint again. */
  | { readonly _tag: "Back"; readonly endpoint: Endpoint<D, F>; readonly wasEjected: boolean }
  /** Answered by `tick`. Replaces the earlier time; `Infinity`: nothing is due. */
  | { readonly _tag: "WakeAt"; readonly at: number }
