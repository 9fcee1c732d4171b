/** The proxy in its own process, as a scoped value. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as Processes from "../support/processes.js"
import type { Network } from "./proxy.js"

const main = fileURLToPath(new URL("./proxy.ts", import.meta.url))

export interface Proxy {
  readonly port: number
  readonly set: (network: Network) => Effect.Effect<void>
}

export const start = (protocol: "tcp" | "udp", target: number): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.gen(function*() {
    const running = yield* Effect.acquireRelease(
      Effect.sync(() => Processes.run(main, [protocol, String(target)])),
      (running) => Effect.promise(() => running.kill())
    )
    const [line] = yield* Effect.promise(() => once(createInterface({ input: running.child.stdout }), "line"))
    return {
      port: Number(line),
      set: (network) => Effect.sync(() => void running.child.stdin.write(`${JSON.stringify(network)}\n`))
    }
  })
