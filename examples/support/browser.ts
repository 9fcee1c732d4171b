import { Effect } from "effect"
import { type BrowserContextOptions, chromium } from "playwright-core"

const launch = (executablePath: string) =>
  chromium.launch({
    executablePath,
    args: [
      "--headless=new",
      "--disable-gpu",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync"
    ],
    // that argument would disable WebTransport
    ignoreDefaultArgs: ["--disable-field-trial-config"]
  })

/** A page of a headless Chromium that ends with the scope. */
export const openPage = (executablePath: string, options: BrowserContextOptions = {}) =>
  Effect.acquireRelease(
    Effect.promise(() => launch(executablePath)),
    (browser) => Effect.promise(() => browser.close())
  ).pipe(Effect.flatMap((browser) => Effect.promise(() => browser.newPage(options))))
