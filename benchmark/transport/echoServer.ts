/** The servers: an echo server, and one of `@effect/rpc`. Each has its own process. */
import type { Ready } from "../../examples/support/serve.js"
import type { Fixture, Runtime } from "../harness/model.js"
import { startProcess } from "../harness/process.js"
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

const startServer = async (kind: Kind, main: string, { execPath }: Runtime): Promise<Fixture> => {
  const { line, stop } = await startProcess(main, execPath)
  const ready: Ready = JSON.parse(line)
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
