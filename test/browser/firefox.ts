/** Firefox for vitest, whose own providers need a build of Playwright's, or webdriverio. */
import { spawn } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { BrowserProvider } from "vitest/node"
import { firefox } from "../support/firefox.js"
import * as Processes from "../support/processes.js"

/** A fresh profile asks nothing, and loads nothing but the page of the tests. */
const preferences = {
  "app.normandy.enabled": false,
  "browser.aboutwelcome.enabled": false,
  "browser.newtabpage.enabled": false,
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage_override.mstone": "ignore",
  "datareporting.policy.dataSubmissionEnabled": false,
  "dom.push.connection.enabled": false,
  "extensions.getAddons.cache.enabled": false,
  "extensions.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "data:,",
  "toolkit.telemetry.enabled": false
}

interface Page {
  readonly process: Processes.Guarded
  readonly profile: string
}

export default class Firefox implements BrowserProvider {
  readonly name = "firefox"
  readonly supportsParallelism = false
  private readonly pages: Array<Page> = []

  getSupportedBrowsers() {
    return ["firefox"]
  }

  getCommandsContext() {
    return {}
  }

  initialize() {}

  async openPage(_sessionId: string, url: string) {
    const profile = await mkdtemp(join(tmpdir(), "firefox-"))
    const lines = Object.entries(preferences).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});`)
    await writeFile(join(profile, "user.js"), lines.join("\n"))
    const child = spawn(firefox()!, ["--headless", "--no-remote", "--profile", profile, url], { stdio: "ignore" })
    this.pages.push({ process: Processes.guard(child), profile })
  }

  async close() {
    for (const { process, profile } of this.pages.splice(0)) {
      await process.kill()
      await rm(profile, { recursive: true, force: true, maxRetries: 10 })
    }
  }
}
