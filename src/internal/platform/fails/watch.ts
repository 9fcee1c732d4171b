/**
 * Passes on to a session the events that `@fails-components/webtransport` (1.6.8) ignores: the headers and the status of the
 * answer, GOAWAY, and the end of the CONNECT request's stream. Sends the headers of the request.
 */
import type { NativeOptions, NativeWebTransport } from "../../../WebTransportConstructor.js"
import { endAtThrow, limitCapsules } from "./capsules.js"
import { skipCloseBeforeDestroy } from "./closeOrder.js"
import { hold, note } from "./connection.js"
import { endAtRepeat } from "./deadConnections.js"
import { endedEarly, explainStatus, goesAway } from "./explain.js"
import { type ConnectStream, type Fields, has, internals, parentOf, sessionOf } from "./internals.js"

interface Closable extends Record<string, unknown> {
  onClose(event: { readonly errorcode: number; readonly error: string }): void
}

/** The last stream in a GOAWAY that only announces another GOAWAY (RFC 9113, section 6.8). */
const notice = 0x7fff_ffff
const noError = 0
const cancel = 8

const addFields = (fields: Fields, headers: ReadonlyArray<readonly [string, string]>): Fields => {
  const all: Record<string, Fields[string]> = { ...fields }
  const given: Record<string, Array<string>> = {}
  for (const [name, value] of headers) (given[name] ??= []).push(value)
  for (const [name, values] of Object.entries(given)) all[name] = values.length === 1 ? values[0] : values
  return all
}

const fieldsOf = (fields: Fields): ReadonlyArray<readonly [string, string]> =>
  Object.entries(fields).flatMap(([name, value]) =>
    name.startsWith(":") || value === undefined
      ? []
      : [value].flat().map((one) => [name, String(one)] as const)
  )

/**
 * Sends the headers with the CONNECT request, and passes on to the session the events that the library (1.6.8) ignores: the
 * headers and the status of the answer, GOAWAY, and the end of the stream. Returns whether the headers will be sent.
 */
export const watch = (native: NativeWebTransport, headers: ReadonlyArray<readonly [string, string]>): boolean => {
  const client = internals(native)?.client
  const session = sessionOf(native) as Closable | undefined
  if (client === undefined || session === undefined || !has(client, "request", "on") || !has(session, "onClose")) {
    return false
  }
  let stream: ConnectStream | undefined
  let isAnswered = false
  let isLeaving = false

  const drain = keepOpenWhileDraining(session)
  // The library makes its request itself (1.6.8), with only its own headers, and keeps the stream.
  const request = client.request!.bind(client)
  client.request = (fields, ...others) => {
    const sent = request(addFields(fields, headers), ...others)
    if (has(sent, "once", "close", "end")) watchConnect(stream = sent)
    return sent
  }

  const watchConnect = (connect: ConnectStream): void => {
    skipCloseBeforeDestroy(connect)
    endAtThrow(connect)
    endAtRepeat(connect)
    connect.once("response", (fields: Fields) => {
      const status = fields[":status"]
      if (!("responseHeaders" in native)) Object.assign(native, { responseHeaders: fieldsOf(fields) })
      if (status !== 200) return typeof status === "number" ? note(native, explainStatus(status)) : undefined
      isAnswered = true
      limitCapsules(session["objint"])
      if (isLeaving) drain()
    })
    // The library's own handler does nothing (1.6.8): a session that ends without a capsule would stay open forever.
    connect.once("end", () => {
      if (session["state"] === "closed" || session["state"] === "failed") return
      note(native, endedEarly)
      // Equivalent to a close with code 0 and no reason (draft-ietf-webtrans-http3, section 6).
      session.onClose({ errorcode: 0, error: "" })
      connect.end()
    })
  }

  // The library does not listen to this event (1.6.8).
  client.on!("goaway", (code: number, lastStream: number) => {
    isLeaving = true
    if (isAnswered) return code === noError ? drain() : undefined
    note(native, goesAway)
    // With an error, Node ends all streams; without an error, it ends the streams that the server rejects. A request that is
    // only unanswered could at best become a session that is about to end.
    if (code === noError && lastStream !== notice) stream?.close(cancel)
  })
  return true
}

/** If the library tries HTTP/2 after HTTP/3, it makes the HTTP/2 client only then (1.6.8). */
export const watchFallback = (native: NativeWebTransport, options: NativeOptions): void => {
  const parent = parentOf(native)
  const fallBack = parent?.["transportIntSwitchToReliable"]
  if (parent === undefined || typeof fallBack !== "function") return
  parent["transportIntSwitchToReliable"] = () => {
    fallBack()
    hold(native, options)
    watch(native, [])
  }
}

/**
 * Tells that a session drains. The library (1.6.8) then treats the session as never open: its end would reject `closed`,
 * and leave its streams pending.
 */
const keepOpenWhileDraining = (session: Record<string, unknown>): () => void => {
  const resolve = session["drainingResolve"]
  if (typeof resolve !== "function") return () => {}
  const drain = () => void resolve(undefined)
  session["onGoAwayReceived"] = drain
  return drain
}
