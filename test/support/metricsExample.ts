/** The example that exports metrics, in its own process, and a collector for it. */
import * as Effect from "#test/Effect"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { createInterface } from "node:readline"
import { text } from "node:stream/consumers"
import { listen, onPort } from "./ports.js"
import * as Processes from "./processes.js"

export const start = (env: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function*() {
    const port = yield* Effect.promise(async () => {
      const server = await onPort(0, (port) => listen(createServer(), port))
      const { port } = server.address() as AddressInfo
      server.close()
      return port
    })
    const running = yield* Effect.acquireRelease(
      Effect.sync(() => Processes.run("examples/metrics/main.ts", [], { METRICS_PORT: String(port), ...env })),
      (running) => Effect.promise(() => running.kill())
    )
    let stderr = ""
    running.child.stderr.setEncoding("utf8").on("data", (output: string) => {
      stderr += output
    })
    const lines = createInterface({ input: running.child.stdout })
    const [line] = yield* Effect.promise(() => once(lines, "line") as Promise<[string]>).pipe(
      Effect.timeoutFail({ duration: "100 seconds", onTimeout: () => new Error(`it did not start: ${stderr}`) })
    )
    const url = line.replace(/^metrics: /, "")
    return {
      scrape: Effect.promise(async () => (await fetch(url)).text()),
      /** Stops the example, and returns its exit and its output. */
      stop: Effect.promise(async () => {
        running.child.kill("SIGTERM")
        return { ...await running.closed, stderr }
      })
    }
  })

/** An OTLP endpoint over HTTP, in JSON, and the bodies that each path has received. */
export const collector = Effect.map(
  Effect.acquireRelease(
    Effect.promise(() => {
      const received = new Map<string, Array<any>>()
      const server = createServer((request, response) => {
        void text(request).then((body) => {
          received.set(request.url!, [...received.get(request.url!) ?? [], JSON.parse(body)])
          response.setHeader("content-type", "application/json").end("{}")
        })
      })
      return listen(server, 0).then((server) => ({ server, received }))
    }),
    ({ server }) => Effect.sync(() => server.close())
  ),
  ({ received, server }) => ({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    to: (path: string): ReadonlyArray<any> => received.get(path) ?? []
  })
)
