/**
 * Sessions whose server's side is this library, too: every stream is served by `Framing.serve`.
 *
 * A request is a text. Its first word is the command:
 *
 * | request | answer |
 * |---|---|
 * | `many <n> …` | n messages, `0 <request>` to `n-1 <request>`, in groups of 3 |
 * | `manyDie <n> …` | the same, then the handler dies |
 * | `hold …` | the request, when the command `heldAnswers` comes: the last one first |
 * | `stuck …` | nothing; its scope is open until it is interrupted |
 * | `none …` | no answer, in success |
 * | `size <n> …` | n bytes of `pattern` |
 * | `die …` | the handler dies |
 * | `throw …` | the handler throws |
 * | anything else | the request |
 *
 * Queries: `ids` (1), `concurrency`, `maxBuffered`, `maxMessageSize`; absent ones are the library's.
 */
import * as Cause from "#test/Cause"
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Logger from "#test/Logger"
import * as Framing from "effect-pools/Framing"
import type { FramingError } from "effect-pools/FramingError"
import type { ServerSession } from "effect-pools/NodeWebTransportServer"
import type { WebTransportError } from "effect-pools/WebTransportError"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Target } from "./behaviour.js"
import { heldAnswers } from "./framed.js"
import { pattern } from "./pattern.js"
import type { Served } from "./protocol.js"

type Counts = { -readonly [K in keyof Served]: Served[K] }

const countsByPath = new Map<string, Counts & { ended: Array<string>; logs: Array<string> }>()

export const countsOf = (path: string) => {
  let counts = countsByPath.get(path)
  if (counts === undefined) {
    counts = { begun: 0, running: 0, peak: 0, interrupted: 0, ended: [], logs: [] }
    countsByPath.set(path, counts)
  }
  return counts
}

const bytes = (text: string) => new TextEncoder().encode(text)

const answer = (target: Target, message: Uint8Array) => {
  const request = new TextDecoder().decode(message)
  const [verb, argument] = request.split(" ")
  const many = Stream.map(Stream.range(0, Number(argument) - 1, 3), (i) => bytes(`${i} ${request}`))
  switch (verb) {
    case "many":
      return many
    case "manyDie":
      return Stream.concat(many, Stream.die(new Error("too many")))
    case "hold":
      return Effect.async<Uint8Array>((resume) => {
        heldAnswers.add(target, async () => resume(Effect.succeed(message)))
      })
    case "stuck":
      return Effect.never
    case "none":
      return Stream.empty
    case "size":
      return Effect.succeed(pattern(0, Number(argument)))
    case "die":
      return Effect.dieMessage("a bug")
    case "throw":
      throw new Error("a bug")
    default:
      return Effect.succeed(message)
  }
}

const handle = (target: Target) => {
  const counts = countsOf(target.path)
  const running = Effect.acquireRelease(
    Effect.sync(() => {
      counts.begun++
      counts.peak = Math.max(counts.peak, ++counts.running)
    }),
    (_, exit) =>
      Effect.sync(() => {
        counts.running--
        if (Exit.isInterrupted(exit)) counts.interrupted++
      })
  )
  return (message: Uint8Array) => {
    const answers = answer(target, message)
    return Effect.isEffect(answers) ? Effect.andThen(running, answers) : Stream.unwrap(Effect.as(running, answers))
  }
}

const optionsOf = (target: Target): Framing.ServeOptions => {
  const number = (name: string) => {
    const value = target.text(name, "")
    return value === "" ? undefined : Number(value)
  }
  return {
    correlate: target.number("ids", 1) === 1,
    concurrency: number("concurrency"),
    maxBuffered: number("maxBuffered"),
    maxMessageSize: number("maxMessageSize")
  }
}

const describe = (exit: Exit.Exit<void, FramingError | WebTransportError>): string =>
  Exit.match(exit, {
    onSuccess: () => "Success",
    onFailure: (cause) =>
      Option.match(Cause.failureOption(cause), {
        onNone: () => Cause.pretty(cause),
        onSome: ({ reason }) => reason
      })
  })

const logger = (logs: Array<string>) =>
  Logger.replace(Logger.defaultLogger, Logger.make(({ message }) => void logs.push(String(message))))

/** Serves a session until it is gone. */
export const serve = (session: ServerSession, target: Target): Effect.Effect<void> => {
  const counts = countsOf(target.path)
  const options = optionsOf(target)
  const handler = handle(target)
  return session.serveStreams((stream) =>
    Effect.onExit(
      Framing.serve(stream, handler, options),
      (exit) => Effect.sync(() => counts.ended.push(describe(exit)))
    )
  ).pipe(Effect.provide(logger(counts.logs)))
}
