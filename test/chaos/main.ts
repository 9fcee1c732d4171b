/** `npm run chaos`: the command line. The soak runs in its own process, with the Node that its protocol needs. */
import { Command, InvalidArgumentError, Option } from "commander"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { http3Node, http3Problem } from "../../examples/support/http3.js"
import { redisProblem } from "../support/redisProgram.js"
import type { Options } from "./soak.js"

const positive = (text: string): number => {
  const value = Number(text)
  if (!(value > 0 && value <= 480)) throw new InvalidArgumentError("It has to be a number from 0 to 480.")
  return value
}

const whole = (text: string): number => {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value > 0x7fff_ffff) throw new InvalidArgumentError("It has to be a whole number.")
  return value
}

const command = new Command("npm run chaos --")
  .description("Sends requests through pools while servers, networks and borrowers fail; checks every answer.")
  .addHelpText(
    "after",
    "\nExit codes: 1 if anything is wrong, 2 if nothing is but that the load came back late after a fault."
  )
  .option("--minutes <n>", "for how long", positive, 1)
  .option("--seed <n>", "which faults come when (default: another one each time)", whole)
  .addOption(new Option("--protocol <protocol>", "of WebTransport").choices(["http2", "http3"]).default("http2"))
  .option("--fleet", "six processes that share a limit over Redis, in place of the pools of one process")

const { fleet, minutes, protocol, seed = Math.floor(Math.random() * 0x7fff_ffff) } = command.parse()
  .opts<Partial<Options> & { readonly fleet?: true }>()
const problem = protocol === "http3" ? http3Problem() : undefined
const noRedis = fleet ? redisProblem() : undefined
if (noRedis !== undefined) command.error(`error: this machine cannot run redis-server (${noRedis})`)
if (problem !== undefined) command.error(`error: this machine cannot load @moq/web-transport (${problem})`)

const { status } = spawnSync(
  protocol === "http3" ? http3Node() : process.execPath,
  [
    "--expose-gc",
    "--import",
    "tsx",
    fileURLToPath(fleet ? new URL("./permits.ts", import.meta.url) : new URL("./soak.ts", import.meta.url)),
    JSON.stringify({ minutes, seed, protocol })
  ],
  { stdio: ["ignore", "inherit", "inherit"] }
)
process.exitCode = status ?? 1
