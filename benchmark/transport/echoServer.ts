/** The servers: an echo server, and one of `@effect/rpc`. Each has its own process. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { setTimeout as delay } from "node:timers/promises"
import type { Ready } from "../../examples/support/serve.js"
import type { Fixture, Runtime } from "../harness/model.js"
import type { Implementation } from "./implementations.js"

export interface Target {
  readonly url: string
  /** SHA-256 of its certificate. */
  readonly hash: Uint8Array<ArrayBuffer>
}

type Kind = "echo" | "rpc"

const names = (kind: Kind) => ({
  url: `EFFECT_POOLS_${kind.toUpperCase()}_URL`,
  hash: `EFFECT_POOLS_${kind.toUpperCase()}_HASH`
})

/** The server, as a child process finds it. */
export const startedServer = (kind: Kind): Target => {
  const { hash: hashName, url: urlName } = names(kind)
  const { [hashName]: hash, [urlName]: url } = process.env
  if (url === undefined || hash === undefined) throw new Error("to be started by the benchmark's parent process")
  return { url, hash: new Uint8Array(Buffer.from(hash, "hex")) }
}

/** Starts a server from the parent process. It always ends with the parent, since it waits for the end of a pipe. */
const startServer = async (kind: Kind, main: string, { execPath }: Runtime): Promise<Fixture> => {
  const child = spawn(execPath, ["--import", import.meta.resolve("tsx"), main], {
    stdio: ["pipe", "pipe", "ignore"]
  })
  const exited = once(child, "exit")
  const stop = () => {
    child.kill("SIGKILL")
    return exited
  }
  const line = once(createInterface({ input: child.stdout }), "line")
  const nothing = Promise.race([exited, delay(30_000, undefined, { ref: false })]).then(() => undefined)
  const first = await Promise.race([line, nothing])
  if (first === undefined) {
    await stop()
    throw new Error(`the server did not start; npx tsx ${main} shows why`)
  }
  const ready: Ready = JSON.parse(first[0])
  const { hash, url } = names(kind)
  return { env: { [url]: `https://127.0.0.1:${ready.port}/${kind}`, [hash]: ready.hash }, stop }
}

export const startEchoServer = ({ runtime, server }: Implementation): Promise<Fixture> =>
  startServer("echo", server, runtime)

/** Starts the echo server and, if the implementation has one, the server of `@effect/rpc`. */
export const startServers = async (implementation: Implementation): Promise<Fixture> => {
  const { rpcServer, runtime } = implementation
  const echo = await startEchoServer(implementation)
  if (rpcServer === undefined) return echo
  const rpc = await startServer("rpc", rpcServer, runtime)
  return { env: { ...echo.env, ...rpc.env }, stop: () => Promise.all([echo.stop(), rpc.stop()]) }
}
