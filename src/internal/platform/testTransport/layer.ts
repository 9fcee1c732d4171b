/** A WebTransport in memory: the constructor of its sessions, and the service that commands its server. */
import { scopedContext, type Tag } from "#effect/layer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import { WebTransportConstructor } from "../../../WebTransport.js"
import type { NativeOptions, NativeWebTransport } from "../../../WebTransportConstructor.js"
import type { Behaviours, Service } from "./contract.js"
import { TestSession } from "./session.js"
import { nativeError } from "./settle.js"

export const layer = <Self>(tag: Tag<Self, Service>, initial: Behaviours) =>
  scopedContext(Effect.gen(function*() {
    const run = yield* FiberSet.makeRuntime<never>()
    const sessions: Array<TestSession> = []
    let behaviour = initial
    let isClosed = false
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        isClosed = true
      })
    )
    const construct = (url: string, options: NativeOptions) => {
      if (isClosed) {
        throw nativeError(
          "InvalidStateError",
          "the layer of this TestWebTransport is closed: provide it around the whole test"
        )
      }
      const each = typeof behaviour === "function" ? behaviour(sessions.length) : behaviour
      const session = new TestSession(url, each, run)
      session.headers = Object.fromEntries(options.headers ?? [])
      sessions.push(session)
      return session
    }
    const explain = (native: NativeWebTransport) => native instanceof TestSession ? native.explanation : undefined
    return Context.make(WebTransportConstructor, { construct, explain }).pipe(
      Context.add(tag, {
        sessions: Effect.sync(() => sessions.slice()),
        behave: (next) =>
          Effect.sync(() => {
            behaviour = next
          })
      })
    )
  }))
