/** Servers for tests in the browser: they run in processes, which only Node can start. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Scope from "#test/Scope"
import { readdirSync, readFileSync } from "node:fs"
import type { BrowserCommand } from "vitest/node"
import type * as Protocol from "../support/protocol.js"
import { udpSockets } from "../support/resources.js"
import * as TestServer from "../support/serverProcess.js"

/** A server, as a page sees it. */
export interface Started {
  readonly id: number
  readonly pid: number
  readonly port: number
  readonly silentPort: number
  readonly hashHex: string
  readonly cert: string
}

export type Signal = "kill" | "stop" | "resume" | "restart"

const servers: Array<readonly [server: TestServer.Service, close: Effect.Effect<void>]> = []

const startServer: BrowserCommand<[TestServer.Options]> = async (_, options): Promise<Started> => {
  const scope = Effect.runSync(Scope.make())
  const server = await Effect.runPromise(Effect.provideService(TestServer.start(options), Scope.Scope, scope))
  const id = servers.push([server, Scope.close(scope, Exit.void)]) - 1
  const { cert, hashHex, pid, port } = server
  return { id, pid, port, silentPort: Number(new URL(server.silentUrl("/")).port), hashHex, cert }
}

/** Returns the id of the process that runs afterwards. */
const signalServer: BrowserCommand<[number, Signal]> = async (_, id, signal): Promise<number> => {
  const [server] = servers[id]!
  await Effect.runPromise(server[signal])
  return server.pid
}

const commandServer: BrowserCommand<[number, Protocol.Command, Protocol.Input<Protocol.Command>]> = (
  _,
  id,
  command,
  input
) => Effect.runPromise(servers[id]![0].command(command, input as never))

const serverErrors: BrowserCommand<[number]> = (_, id) => Effect.runPromise(servers[id]![0].stderr)

const endServer: BrowserCommand<[number]> = (_, id) => Effect.runPromise(servers[id]![1])

const deadPort: BrowserCommand<[]> = () => Effect.runPromise(TestServer.deadPort)

const parentOf = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])
}

const isOurs = (pid: number): boolean => pid > 1 && (pid === process.pid || isOurs(parentOf(pid)))

/** Whether the process owns the sockets of this run's Chromium. */
const isNetworkService = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("network.mojom.NetworkService") && isOurs(pid)
  } catch {
    // the process has ended
    return false
  }
}

const openSockets: BrowserCommand<[]> = () =>
  process.platform === "linux"
    ? readdirSync("/proc").map(Number).filter((pid) => pid > 0 && isNetworkService(pid)).flatMap(udpSockets)
    : []

export const commands = { deadPort, startServer, signalServer, commandServer, serverErrors, endServer, openSockets }
