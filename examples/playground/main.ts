/** `npm run playground`: the command line. An error prints one line. */
import { NodeRuntime } from "@effect/platform-node"
import { Command, InvalidArgumentError } from "commander"
import { Cause, Effect, Exit } from "effect"
import { chromium } from "../support/chromium.js"
import { http3Problem } from "../support/http3.js"
import { startPlayground } from "./playground.js"
import { screenshot } from "./screenshot.js"

interface Options {
  readonly port: number
  readonly screenshot?: string
  readonly dark?: true
}

const port = (text: string): number => {
  if (!/^\d+$/.test(text) || Number(text) > 65535) {
    throw new InvalidArgumentError("It must be a whole number from 0 to 65535.")
  }
  return Number(text)
}

const command = new Command("npm run playground --")
  .description("Serves a page that shows a live pool of sessions and streams over HTTP/3, and breaks things on demand.")
  .option("--port <n>", "where to serve it; 0 for any that is free", port, 8080)
  .option("--screenshot <file>", "write a picture of it after a few faults, a minute from now, and end")
  .option("--dark", "take that picture with dark colours")
  .helpOption("--help", "show this")
  .configureOutput({
    outputError: (text, write) =>
      write(`${text.trim().replaceAll(/\s+/g, " ")} (npm run playground -- --help tells more)\n`)
  })

const options = command.parse().opts<Options>()
const problem = http3Problem()
if (problem !== undefined) {
  command.error(
    `error: this machine cannot load @moq/web-transport (${problem}); HTTP3_NODE may name an executable that can.`
  )
}
const browser = chromium()
if (options.screenshot !== undefined && browser === undefined) {
  command.error("error: there is no Chromium on the path; CHROMIUM may name its executable.")
}

const program = Effect.gen(function*() {
  const address = yield* startPlayground(options.port)
  if (options.screenshot !== undefined) {
    return yield* screenshot(address, browser!, options.screenshot, options.dark === true ? "dark" : "light")
  }
  console.log(`${address} (in a browser with WebTransport; Ctrl-C ends it)`)
  return yield* Effect.never
}).pipe(Effect.scoped)

const message = (error: unknown) => (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, " ")

NodeRuntime.runMain(program, {
  disableErrorReporting: true,
  teardown: (exit, onExit) => {
    if (Exit.isSuccess(exit)) return onExit(0)
    // the exit code of a program that Ctrl-C ends
    if (Cause.isInterruptedOnly(exit.cause)) return onExit(130)
    console.error(`error: ${message(Cause.squash(exit.cause))}`)
    onExit(1)
  }
})
