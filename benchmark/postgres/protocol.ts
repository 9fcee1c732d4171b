/** What the benchmark's processes say to each other about the server. */
import { fileURLToPath } from "node:url"
import type { Fixture } from "../harness/model.js"
import { startProcess } from "../harness/process.js"

/** By it the server knows a contestant's connections. */
export const applicationName = "contestant"

/** `occupy`: takes all connections but five, until `release`. */
export type Fault = "terminate" | "crash" | "restart" | "standstill" | "occupy" | "release"

export interface ServerConfig {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

export interface Ready {
  readonly config: ServerConfig
  /** The address of the faults. */
  readonly faults: string
}

const name = "EFFECT_POOLS_POSTGRES"

export const startPostgres = async (): Promise<Fixture> => {
  const main = fileURLToPath(new URL("server.ts", import.meta.url))
  const { line, stop } = await startProcess(main, process.execPath)
  return { env: { [name]: line }, stop: () => stop("graceful") }
}

const ready = (): Ready => {
  const value = process.env[name]
  if (value === undefined) throw new Error("to be started by the benchmark's parent process")
  return JSON.parse(value)
}

/** The server, as a child process finds it. */
export const serverConfig = (): ServerConfig => ready().config

/** Settles when the fault is over. */
export const cause = async (fault: Fault, millis = 0): Promise<void> => {
  const answer = await fetch(`${ready().faults}/${fault}?millis=${millis}`, { method: "POST" })
  if (!answer.ok) throw new Error(`${fault}: ${await answer.text()}`)
}
