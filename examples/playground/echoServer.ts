/** Echo servers, each in its own process, which the page can stop, kill and start again. */
import { Data, Effect } from "effect"
import * as NodeWebTransportServer from "effect-pools/NodeWebTransportServer"
import { build } from "esbuild"
import type { ChildProcessByStdio } from "node:child_process"
import { spawn } from "node:child_process"
import { createSocket } from "node:dgram"
import { once } from "node:events"
import { rename } from "node:fs/promises"
import type { Readable, Writable } from "node:stream"
import { fileURLToPath } from "node:url"
import { http3Node } from "../support/http3.js"
import type { Fault, Options } from "./server.js"

export class ServerFailed extends Data.TaggedError("ServerFailed")<{ readonly message: string }> {}

export type State = "running" | "stopped" | "dead"

/** `stop` (the process hangs silently), `resume`, `kill` and `start` act on the server's process. */
export type Action = Fault | "stop" | "resume" | "kill" | "start"

export interface EchoServer {
  readonly name: string
  readonly url: string
  readonly state: Effect.Effect<State>
  /** Commands that do not fit the state of the process do nothing. */
  readonly actions: Readonly<Record<Action, Effect.Effect<void, ServerFailed>>>
}

type Child = ChildProcessByStdio<Writable, Readable, null>

const cache = fileURLToPath(new URL("../../node_modules/.cache/effect-pools/", import.meta.url))

/** Bundles the main module of a server's process, which then starts three times as fast. Another playground may do the same. */
const bundle = Effect.promise(async () => {
  const main = `${cache}playground.mjs`
  const unfinished = `${main}.${process.pid}`
  await build({
    entryPoints: [fileURLToPath(new URL("./server.ts", import.meta.url))],
    outfile: unfinished,
    external: ["@fails-components/*", "selfsigned"],
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "silent"
  })
  await rename(unfinished, main)
  return main
})

const launch = (main: string, options: Options) =>
  Effect.async<Child, ServerFailed>((resume) => {
    const child = spawn(http3Node(), ["--import", import.meta.resolve("tsx"), main], {
      stdio: ["pipe", "pipe", "ignore"]
    })
    const fail = () => resume(new ServerFailed({ message: "the echo server did not start" }))
    child.once("error", fail)
    child.once("exit", fail)
    child.stdin.on("error", () => {})
    child.stdin.write(`${JSON.stringify(options)}\n`)
    child.stdout.once("data", () => resume(Effect.succeed(child)))
    return Effect.sync(() => child.kill("SIGKILL"))
  }).pipe(
    Effect.timeoutFail({
      duration: "20 seconds",
      onTimeout: () => new ServerFailed({ message: "the echo server did not start within 20 seconds" })
    })
  )

const freePort = Effect.promise(async () => {
  const socket = createSocket("udp4").bind(0, "127.0.0.1")
  await once(socket, "listening")
  const { port } = socket.address()
  await new Promise<void>((resolve) => socket.close(resolve))
  return port
})

const startEchoServer = Effect.fnUntraced(function*(main: string, name: string, cert: string, key: string) {
  const port = yield* freePort
  let child: Child | undefined
  let isStopped = false

  const alive = () => child?.exitCode === null && child.signalCode === null ? child : undefined

  const signal = (name: "SIGSTOP" | "SIGCONT") =>
    Effect.sync(() => {
      if (alive()?.kill(name) === true) isStopped = name === "SIGSTOP"
    })

  const kill = Effect.promise(async () => {
    const living = alive()
    if (living === undefined) return
    const exited = once(living, "exit")
    living.kill("SIGKILL")
    await exited
  })

  const start = Effect.suspend(() =>
    alive() !== undefined ? Effect.void : Effect.map(launch(main, { port, cert, key }), (started) => {
      child = started
      isStopped = false
    })
  )

  const fault = (fault: Fault) => Effect.sync(() => void alive()?.stdin.write(`${fault}\n`))

  yield* Effect.acquireRelease(start, () => kill)
  return {
    name,
    url: `https://127.0.0.1:${port}/`,
    state: Effect.sync(() => alive() === undefined ? "dead" : isStopped ? "stopped" : "running"),
    actions: {
      stop: signal("SIGSTOP"),
      resume: signal("SIGCONT"),
      kill,
      start,
      "close-session": fault("close-session"),
      "reset-stream": fault("reset-stream")
    }
  } satisfies EchoServer as EchoServer
})

export interface EchoServers {
  /** SHA-256 of their certificate, hexadecimal; the same after each start. */
  readonly hash: string
  readonly all: ReadonlyArray<EchoServer>
}

/** Starts the servers. The end of the scope kills them. */
export const startEchoServers = (names: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const { cert, hash, privKey } = yield* NodeWebTransportServer.selfSigned
    const main = yield* bundle
    const all = yield* Effect.forEach(names, (name) => startEchoServer(main, name, cert, privKey), {
      concurrency: "unbounded"
    })
    return { hash: Buffer.from(hash).toString("hex"), all } satisfies EchoServers as EchoServers
  })
