/** The embedded echo server, in a process of its own that ends with the scope. */
import { Data, Effect } from "effect"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { Ready } from "./server.js"

export class ServerFailed extends Data.TaggedError("ServerFailed")<{ readonly message: string }> {}

const main = fileURLToPath(new URL("./server.ts", import.meta.url))

const serverProcess = Effect.acquireRelease(
  Effect.sync(() =>
    spawn(process.execPath, ["--import", import.meta.resolve("tsx"), main], { stdio: ["pipe", "pipe", "ignore"] })
  ),
  (child) =>
    Effect.async<void>((resume) => {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
      child.once("exit", () => resume(Effect.void))
      child.kill("SIGKILL")
    })
)

const notStarted = () =>
  new ServerFailed({ message: "the echo server did not start; npx tsx examples/demo/server.ts shows why" })

/** Starts the server, and waits until it is ready. */
export const startEchoServer = Effect.gen(function*() {
  const child = yield* serverProcess
  return yield* Effect.async<Ready, ServerFailed>((resume) => {
    child.once("error", () => resume(notStarted()))
    child.once("exit", () => resume(notStarted()))
    createInterface({ input: child.stdout }).once("line", (line) => resume(Effect.succeed(JSON.parse(line))))
  }).pipe(Effect.timeoutFail({ duration: "10 seconds", onTimeout: notStarted }))
})
