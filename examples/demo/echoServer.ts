/** The embedded servers, each in its own process, which ends with the scope. */
import { Data, Effect } from "effect"
import { spawn } from "node:child_process"
import path from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { Ready } from "../support/serve.js"

export class ServerFailed extends Data.TaggedError("ServerFailed")<{ readonly message: string }> {}

const serverProcess = (main: URL) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, ["--import", import.meta.resolve("tsx"), fileURLToPath(main)], {
        stdio: ["pipe", "pipe", "ignore"]
      })
    ),
    (child) =>
      Effect.async<void>((resume) => {
        if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
  )

/** Starts a server, the `main` of its process, and waits until it is ready. */
export const startServer = Effect.fnUntraced(function*(main: URL) {
  const child = yield* serverProcess(main)
  const notStarted = () =>
    new ServerFailed({
      message: `the server did not start; npx tsx ${path.relative("", fileURLToPath(main))} shows why`
    })
  return yield* Effect.async<Ready, ServerFailed>((resume) => {
    child.once("error", () => resume(notStarted()))
    child.once("exit", () => resume(notStarted()))
    createInterface({ input: child.stdout }).once("line", (line) => resume(Effect.succeed(JSON.parse(line))))
  }).pipe(Effect.timeoutFail({ duration: "30 seconds", onTimeout: notStarted }))
})

/** Starts the echo server, and waits until it is ready. */
export const startEchoServer = startServer(new URL("./server.ts", import.meta.url))
