/** The example of an HTTP service: SIGTERM under load loses no request. */
import * as Effect from "#test/Effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import http from "node:http"
import { createInterface } from "node:readline"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { assert, it } from "../support/vitest.js"

const root = fileURLToPath(new URL("../..", import.meta.url))

const environment = {
  ...process.env,
  PORT: "0",
  DRAIN_DELAY: "2 seconds",
  // for a busy machine
  REQUEST_TIMEOUT: "1 minute",
  SESSION_POOL_MAX_SIZE: "2",
  SESSION_POOL_CONCURRENCY: "4"
}

const service = Effect.acquireRelease(
  Effect.sync(() =>
    spawn(
      process.execPath,
      ["--import", "tsx", "--import", "./test/support/http3Setup.ts", "examples/http-service.ts"],
      {
        cwd: root,
        env: environment,
        stdio: ["ignore", "pipe", "pipe"]
      }
    )
  ),
  (child) => Effect.sync(() => child.kill("SIGKILL"))
)

/** Returns a successful answer; fails without an answer. */
const get = async (url: string, agent: http.Agent) => {
  const request = http.get(url, { agent })
  const [response] = await once(request, "response") as [http.IncomingMessage]
  const body = await text(response)
  assert.strictEqual(response.statusCode, 200, body)
  return { body, connection: response.headers.connection }
}

it.scoped.each([
  ["that keep their connections", true],
  ["with a connection for each request", false]
])(
  "answers every request that it accepted when SIGTERM comes under load, of clients %s",
  ([, keepAlive]) =>
    Effect.gen(function*() {
      const child = yield* service
      const errors = text(child.stderr)
      const exit = once(child, "exit")
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
      const nextLine = Effect.promise(() => lines.next().then(({ value }) => value as string))
      const url = (yield* nextLine).replace("listening at ", "")
      const agent = new http.Agent({ keepAlive: keepAlive as boolean })

      let pending = 0
      let answered = 0
      let pendingAtTheSignal = 0
      let isDraining = false
      /** Sends requests until the service is gone. */
      const client = async (id: number): Promise<void> => {
        for (let i = 0;; i++) {
          const question = `${id}-${i}`
          const isLate = isDraining
          pending++
          try {
            const { body, connection } = await get(`${url}/echo/${question}`, agent)
            assert.strictEqual(body, question)
            if (child.killed && connection === "close") isDraining = true
            // after the first `connection: close`, every answer has it
            if (isLate) assert.strictEqual(connection, "close")
          } catch (error) {
            // the service is gone, or it never accepted the connection
            const { code } = error as NodeJS.ErrnoException
            if (child.killed && (code === "ECONNREFUSED" || code === "ECONNRESET")) return
            throw error
          } finally {
            pending--
          }
          if (++answered === 500) {
            pendingAtTheSignal = pending
            child.kill("SIGTERM")
          }
        }
      }
      yield* Effect.promise(() => Promise.all(Array.from({ length: 32 }, (_, id) => client(id))))

      assert.isTrue(isDraining)
      assert.deepEqual(yield* Effect.promise(() => exit), [0, null])
      assert.isAbove(pendingAtTheSignal, 8)
      assert.strictEqual(yield* nextLine, `${answered} requests accepted`)
      assert.isUndefined(yield* nextLine)
      assert.strictEqual(yield* Effect.promise(() => errors), "")
    })
)
