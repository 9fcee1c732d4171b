/** An echo server, in its own process. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { setTimeout as delay } from "node:timers/promises"
import type { Ready } from "../../examples/support/serve.js"
import type { Fixture } from "../harness/model.js"
import type { Implementation } from "./implementations.js"

export interface Target {
  readonly url: string
  /** SHA-256 of its certificate. */
  readonly hash: Uint8Array<ArrayBuffer>
}

const names = { url: "EFFECT_POOLS_ECHO_URL", hash: "EFFECT_POOLS_ECHO_HASH" }

/** The server, as a child process finds it. */
export const startedEchoServer = (): Target => {
  const { [names.hash]: hash, [names.url]: url } = process.env
  if (url === undefined || hash === undefined) throw new Error("to be started by the benchmark's parent process")
  return { url, hash: new Uint8Array(Buffer.from(hash, "hex")) }
}

/** Starts the server from the parent process. It always ends with the parent, since it waits for the end of a pipe. */
export const startEchoServer = async ({ runtime, server }: Implementation): Promise<Fixture> => {
  const child = spawn(runtime.execPath, ["--import", import.meta.resolve("tsx"), server], {
    stdio: ["pipe", "pipe", "ignore"]
  })
  const exited = once(child, "exit")
  const stop = () => {
    child.kill("SIGKILL")
    return exited
  }
  const line = once(createInterface({ input: child.stdout }), "line")
  const nothing = Promise.race([exited, delay(10_000, undefined, { ref: false })]).then(() => undefined)
  const first = await Promise.race([line, nothing])
  if (first === undefined) {
    await stop()
    throw new Error(`the echo server did not start; npx tsx ${server} shows why`)
  }
  const ready: Ready = JSON.parse(first[0])
  return { env: { [names.url]: `https://127.0.0.1:${ready.port}/echo`, [names.hash]: ready.hash }, stop }
}
