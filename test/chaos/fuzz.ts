/** Bad input of every kind: it must cause a typed error, or a defect that names the problem, and nothing else. */
import type * as WebTransport from "effect-pools/WebTransport"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import type * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Supervisor from "effect/Supervisor"
import type * as TestServer from "../support/TestServer.js"
import { isTagged, type Target, Used, Wrong } from "./judge.js"
import { requestTargets } from "./requestTargets.js"
import { targets } from "./targets.js"

export interface Findings {
  readonly what: string
  readonly cases: number
  /** The cases that were accepted and behaved correctly. */
  readonly accepted: number
  /** The uses of accepted cases (borrows, requests, messages); below, the successful ones. */
  readonly uses: number
  readonly successes: number
  /** The failures with a tag. */
  readonly refused: number
  /** The defects that name the problem. */
  readonly defects: number
  readonly wrong: ReadonlyArray<string>
}

const show = (input: unknown): string => {
  try {
    return FastCheck.stringify(input).slice(0, 160)
  } catch {
    return String(input)
  }
}

/** Waits until the fibers of a case are gone. Returns how many are left after 5 s. */
const fibersLeft = (supervisor: Supervisor.Supervisor<ReadonlyArray<Fiber.RuntimeFiber<any, any>>>) =>
  Effect.gen(function*() {
    for (const deadline = performance.now() + 5_000;;) {
      const { length } = yield* supervisor.value
      if (length === 0 || performance.now() > deadline) return length
      yield* Effect.sleep(1)
    }
  })

const run = <A>(target: Target<A>, seed: number) =>
  Effect.gen(function*() {
    let [accepted, refused, defects] = [0, 0, 0]
    const used = new Used()
    const all: Array<string> = []
    const inputs = FastCheck.sample(target.arbitrary, { numRuns: target.cases, seed })
    let cases = 0
    for (const input of inputs) {
      // more findings would tell nothing new, and take long
      if (all.length >= 3) break
      cases++
      const found = (what: string) => void all.push(`${target.what}, ${show(input)}: ${what}`)
      const supervisor = yield* Supervisor.track
      const exit = yield* Effect.suspend(() => target.run(input, used)).pipe(
        Effect.scoped,
        Effect.supervised(supervisor),
        Effect.disconnect,
        Effect.timeoutFail({ duration: "20 seconds", onTimeout: () => "no end within 20 s" }),
        Effect.exit
      )
      const left = yield* fibersLeft(supervisor)
      if (left > 0) found(`left ${left} fibers`)
      if (Exit.isSuccess(exit)) {
        accepted++
        continue
      }
      const isNaming = (message: string) => target.names(input).some((name) => message.includes(name))
      const failure = Cause.failureOption(exit.cause)
      if (Option.isSome(failure)) {
        const isTyped = isTagged(failure.value) && (target.isNamed !== true || isNaming(String(failure.value)))
        if (isTyped) refused++
        else found(String(failure.value))
        continue
      }
      const defect = Cause.squash(exit.cause)
      if (!(defect instanceof Wrong) && defect instanceof Error && isNaming(defect.message)) defects++
      else found(String(defect))
    }
    const { successes, uses } = used
    return { what: target.what, cases, accepted, uses, successes, refused, defects, wrong: all }
  })

export const fuzz = (
  server: TestServer.Service,
  constructor: Layer.Layer<WebTransport.WebTransportConstructor>,
  seed: number
): Effect.Effect<ReadonlyArray<Findings>> =>
  Effect.forEach([...targets(server), ...requestTargets(server)], (target) => run(target, seed)).pipe(
    Effect.provide(constructor),
    Effect.provide(Logger.minimumLogLevel(LogLevel.None))
  )
