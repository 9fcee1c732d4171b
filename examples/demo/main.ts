/** `npm start`: the command line. A wrong option prints one line and gives exit code 1. */
import { Command, InvalidArgumentError } from "commander"

export interface Options {
  /** The echo server. Default: an embedded one. */
  readonly url?: string
  /** SHA-256 of its certificate, hexadecimal. By default the platform decides whether to trust it. */
  readonly certificateHash?: string
  readonly requests: number
  readonly concurrency: number
  readonly maxSessions: number
  /** The time limit of each way of sending, in seconds. */
  readonly timeLimit: number
}

const url = (text: string): string => {
  if (!URL.canParse(text) || new URL(text).protocol !== "https:" || new URL(text).hash !== "") {
    throw new InvalidArgumentError("It must look like https://localhost:4433/echo.")
  }
  return text
}

const certificateHash = (text: string): string => {
  const hex = text.replaceAll(":", "")
  if (!/^[0-9a-f]{64}$/i.test(hex)) {
    throw new InvalidArgumentError(
      "It must be the SHA-256 of the certificate: 64 hexadecimal digits, colons allowed."
    )
  }
  return hex
}

const count = (text: string): number => {
  const n = Number(text)
  if (!/^\d+$/.test(text) || n < 1 || n > 1_000_000) {
    throw new InvalidArgumentError("It must be a whole number from 1 to 1000000.")
  }
  return n
}

const command = new Command("npm start --")
  .description(
    "Sends requests to an echo server: on shared streams, on pooled streams, on a stream each over pooled sessions, on " +
      "a session each."
  )
  .option("--url <url>", "your WebTransport echo server (default: an embedded one)", url)
  .option("--certificate-hash <hex>", "SHA-256 of its certificate (default: what the platform trusts)", certificateHash)
  .option(
    "--requests <n>",
    "requests on a stream each; 20 times as many on shared streams, five times on pooled streams, a tenth on a session each",
    count,
    4000
  )
  .option("--concurrency <n>", "fibers that send requests", count, 32)
  .option("--max-sessions <n>", "the maximum number of sessions of the pool", count, 4)
  .option(
    "--time-limit <seconds>",
    "the time limit of each of the four ways; it then reports its results so far",
    count,
    10
  )
  .helpOption("--help", "show this")
  .configureOutput({
    outputError: (text, write) => write(`${text.trim().replaceAll(/\s+/g, " ")} (npm start -- --help tells more)\n`)
  })

const options = command.parse().opts<Options>()
if (options.certificateHash !== undefined && options.url === undefined) {
  command.error("error: option '--certificate-hash <hex>' needs --url, too.")
}
// Loaded only after the options are checked: loading takes a second.
const { run } = await import("./demo.js")
await run(options)
