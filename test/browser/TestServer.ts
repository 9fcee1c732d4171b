/** `support/TestServer.ts` for tests in the browser: Node starts the servers and obeys the page's commands. */
import * as Clock from "#test/Clock"
import * as Context from "#test/Context"
import * as Effect from "#test/Effect"
import * as Layer from "#test/Layer"
import type * as Scope from "#test/Scope"
import { commands } from "@vitest/browser/context"
import { byAttempt } from "../support/attempts.js"
import { fromHex } from "../support/bytes.js"
import type * as Protocol from "../support/protocol.js"
import { noCounts } from "../support/protocol.js"
import type { Options, Service } from "../support/serverProcess.js"
import type { Signal, Started } from "./commands.js"

export type { Service } from "../support/serverProcess.js"

declare module "@vitest/browser/context" {
  interface BrowserCommands {
    deadPort(): Promise<number>
    startServer(options: Options): Promise<Started>
    signalServer(id: number, signal: Signal): Promise<number>
    commandServer<C extends Protocol.Command>(id: number, command: C, input: Protocol.Input<C>): Promise<any>
    serverErrors(id: number): Promise<string>
    endServer(id: number): Promise<void>
    openSockets(): Promise<ReadonlyArray<string>>
  }
}

export class TestServer extends Context.Tag("effect-pools/test/TestServer")<TestServer, Service>() {}

// Servers are real, also under the TestClock.
const pause = Effect.withClock(Effect.sleep("5 millis"), Clock.make())

const handle = (started: Started): Service => {
  const { cert, hashHex, id, port, silentPort } = started
  let { pid } = started
  const signal = (signal: Signal) =>
    Effect.map(Effect.promise(() => commands.signalServer(id, signal)), (now) => {
      pid = now
    })
  const command: Service["command"] = (command, ...[input]) =>
    Effect.promise(() => commands.commandServer(id, command, (input ?? {}) as never))
  const stats = Effect.suspend(() => command("stats"))
  const until: Service["until"] = (predicate) =>
    Effect.flatMap(
      stats,
      (stats) => predicate(stats) ? Effect.succeed(stats) : Effect.andThen(pause, until(predicate))
    )
  return {
    get pid() {
      return pid
    },
    port,
    url: (path) => `https://127.0.0.1:${port}${path}`,
    silentUrl: (path) => `https://127.0.0.1:${silentPort}${path}`,
    hash: fromHex(hashHex),
    hashHex,
    cert,
    kill: signal("kill"),
    stop: signal("stop"),
    resume: signal("resume"),
    restart: signal("restart"),
    stats,
    statsOf: (path) => Effect.map(stats, ({ paths }) => paths[path] ?? noCounts),
    until,
    command,
    stderr: Effect.promise(() => commands.serverErrors(id))
  }
}

export const start = (options: Options = {}): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(() => commands.startServer(options)),
    ({ id }) => Effect.promise(() => commands.endServer(id))
  ).pipe(Effect.map((started) => byAttempt(handle(started))))

export const layer = (options: Options = {}): Layer.Layer<TestServer> => Layer.scoped(TestServer, start(options))

export const deadPort: Effect.Effect<number> = Effect.promise(() => commands.deadPort())
