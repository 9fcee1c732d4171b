/** A picture of the page after a few faults. */
import { Effect } from "effect"
import { openPage } from "../support/browser.js"

/** What is clicked, with the server whose button it is, and milliseconds of waiting. */
const story: ReadonlyArray<string | number> = [
  20_000,
  "close-session",
  12_000,
  "stop b",
  4_000,
  "resume b",
  12_000,
  "reset-stream",
  4_000,
  "kill c",
  3_000,
  "close-session",
  250
]

const selectorOf = (step: string): string => {
  const [action, server] = step.split(" ")
  return `${server === undefined ? "#faults" : `[data-endpoint=${server}]`} [data-action=${action}]`
}

/** Writes the picture as a PNG of 1280 × 800. */
export const screenshot = (address: string, chromium: string, path: string, colorScheme: "light" | "dark") =>
  Effect.gen(function*() {
    const page = yield* openPage(chromium, { colorScheme, viewport: { width: 1280, height: 800 } })
    yield* Effect.promise(() => page.goto(address))
    for (const step of story) {
      if (typeof step === "number") yield* Effect.sleep(step)
      else yield* Effect.promise(() => page.click(selectorOf(step)))
    }
    yield* Effect.promise(() => page.mouse.move(0, 0))
    yield* Effect.promise(() => page.screenshot({ path }))
  }).pipe(Effect.scoped)
