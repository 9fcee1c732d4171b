/** A picture of the page after a few faults. */
import { Effect } from "effect"
import { openPage } from "../support/browser.js"
import type { Action } from "./echoServer.js"

const story: ReadonlyArray<Action | number> = [
  20_000,
  "close-session",
  12_000,
  "stop",
  4_000,
  "resume",
  12_000,
  "reset-stream",
  8_000,
  "close-session",
  250
]

/** Writes the picture as a PNG of 1280 × 800. */
export const screenshot = (address: string, chromium: string, path: string, colorScheme: "light" | "dark") =>
  Effect.gen(function*() {
    const page = yield* openPage(chromium, { colorScheme, viewport: { width: 1280, height: 800 } })
    yield* Effect.promise(() => page.goto(address))
    for (const step of story) {
      if (typeof step === "number") yield* Effect.sleep(step)
      else yield* Effect.promise(() => page.click(`[data-action=${step}]`))
    }
    yield* Effect.promise(() => page.mouse.move(0, 0))
    yield* Effect.promise(() => page.screenshot({ path }))
  }).pipe(Effect.scoped)
