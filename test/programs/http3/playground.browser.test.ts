import * as Effect from "#test/Effect"
import { execFileSync, spawn } from "node:child_process"
import type { AddressInfo } from "node:net"
import { createServer } from "node:net"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { Page } from "playwright-core"
import { openPage } from "../../../examples/support/browser.js"
import { chromium } from "../../../examples/support/chromium.js"
import { listen } from "../../support/ports.js"
import { assert, expect, it } from "../../support/vitest.js"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const limit = 30_000

/** The live processes of the playground in a process group. */
const processes = (group: number): ReadonlyArray<string> =>
  execFileSync("ps", ["-A", "-o", "pgid=,stat=,args="], { encoding: "utf8" }).split("\n").filter((line) => {
    const [pgid, state = ""] = line.trim().split(/\s+/)
    return Number(pgid) === group && !state.startsWith("Z") && line.includes("examples/playground")
  })

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the program of `npm run playground -- …`, in its own process group. The end of the scope kills remaining processes. */
const playground = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() =>
        spawn("node_modules/.bin/tsx", ["examples/playground/main.ts", ...args], {
          cwd: root,
          detached: true,
          env: { ...process.env, ...env },
          stdio: ["ignore", "pipe", "pipe"]
        })
      ),
      (child) =>
        Effect.sync(() => {
          try {
            process.kill(-child.pid!, "SIGKILL")
          } catch {
            // all processes have ended
          }
        })
    ),
    (child) => {
      let stdout = ""
      let stderr = ""
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        stdout += text
      })
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        stderr += text
      })
      const ended = new Promise<Ended>((resolve) => child.once("close", (code) => resolve({ code, stdout, stderr })))
      const line = new Promise<string>((resolve) => createInterface({ input: child.stdout }).once("line", resolve))
      return {
        group: child.pid!,
        ended: Effect.promise(() => ended),
        /** The address of the page. */
        address: Effect.promise(() =>
          Promise.race([
            line.then((line) => line.split(" ")[0]!),
            ended.then(({ code, stderr }) => Promise.reject(new Error(`it ended with ${code}: ${stderr}`)))
          ])
        ),
        /** Acts like Ctrl-C in a terminal. */
        interrupt: Effect.sync(() => process.kill(-child.pid!, "SIGINT"))
      }
    }
  )

/** Limits the time of a step, so that a hanging test tells where it hangs. */
const inTime = <A, E, R>(what: string, effect: Effect.Effect<A, E, R>, within = limit + 5_000) =>
  Effect.timeoutFail(effect, { duration: within, onTimeout: () => new Error(`waited in vain: ${what}`) })

/** A user of the playground's page: actions and observations. */
class User {
  readonly page: Page
  constructor(page: Page) {
    this.page = page
  }

  readonly click = (action: string) => Effect.promise(() => this.page.click(`#faults [data-action=${action}]`))

  /** Clicks a button of an endpoint. */
  readonly clickAt = (name: string, action: string) =>
    Effect.promise(() => this.page.click(`[data-endpoint=${name}] [data-action=${action}]`))

  /** The state of an endpoint, and its sessions. */
  readonly endpoint = async (name: string) => {
    const row = this.page.locator(`[data-endpoint=${name}]`)
    return {
      state: await row.getAttribute("data-state"),
      sessions: parseInt((await row.locator("span").nth(1).textContent())!)
    }
  }

  readonly slide = (id: string, value: number) => Effect.promise(() => this.page.fill(`#${id}`, `${value}`))

  readonly sessions = (state: string) => this.page.locator(`article[data-id][data-state="${state}"]`)

  readonly streams = (state: string) => this.page.locator(`article:not([data-ended]) i[data-state="${state}"]`)

  /** Waits until the predicate holds. */
  readonly until = <A>(what: string, read: () => Promise<A>, predicate: (a: A) => boolean) =>
    inTime(
      what,
      Effect.promise(() => expect.poll(read, { timeout: limit, interval: 20, message: what }).toSatisfy(predicate))
    )

  readonly number = async (id: string) => Number((await this.page.textContent(`#${id}`))!.replaceAll(",", ""))

  readonly isServing = this.until("requests", () => this.number("requests"), (requests) => requests > 0)
  readonly isStanding = this.until("no requests", () => this.number("requests"), (requests) => requests === 0)
}

// retried, since it once waited in vain for an unknown step
it.scopedLive("shows pools at work, what faults do to them, and how they recover", () =>
  Effect.gen(function*() {
    const { address, ended, group, interrupt } = yield* playground(["--port", "0"])
    const url = yield* inTime("the address", address, 90_000)
    const page = yield* inTime("the browser", openPage(chromium()!, { viewport: { width: 1280, height: 800 } }))
    const errors: Array<Error> = []
    page.on("pageerror", (error) => errors.push(error))
    const user = new User(page)
    const { sessions, streams } = user
    yield* Effect.promise(() => page.goto(url))
    yield* user.isServing
    const fits = yield* Effect.promise(() => page.evaluate("document.documentElement.scrollHeight <= innerHeight"))
    assert.isTrue(fits, "without scrolling")

    // load: without fibers nothing is sent; many fibers use more streams than one session has, and wait if there are few
    yield* user.slide("fibers", 0)
    yield* user.isStanding
    yield* user.slide("think", 0)
    yield* user.slide("fibers", 64)
    yield* user.isServing
    yield* user.until("six sessions", () => page.locator("article[data-id]:not([data-ended])").count(), (n) => n === 6)
    yield* user.slide("streams", 4)
    yield* user.until("waiters", () => user.number("waiters"), (waiters) => waiters > 30)
    yield* user.until("four streams", () => streams("in use").count(), (n) => n <= 4)
    yield* user.slide("streams", 48)
    yield* user.slide("fibers", 16)
    yield* user.slide("think", 20)
    yield* user.isServing

    // on shared streams, many requests need few streams; answers to requests that were given up come late
    yield* Effect.promise(() => page.check("#shared"))
    yield* user.slide("fibers", 64)
    yield* user.slide("think", 0)
    yield* user.until("requests in flight", () => user.number("in-flight"), (requests) => requests > 4)
    yield* user.until("writes of several", () => user.number("batch"), (requests) => requests > 1)
    yield* user.until("few streams", () => streams("in use").count(), (n) => n > 0 && n <= 4)
    yield* user.until("late answers", () => user.number("late"), (answers) => answers > 0)
    yield* user.isServing
    yield* Effect.promise(() => page.uncheck("#shared"))
    yield* user.slide("fibers", 16)
    yield* user.slide("think", 20)
    yield* user.isServing

    // a closed session is lost, and another session comes
    const newest = () =>
      page.locator("article[data-id]").evaluateAll((all) =>
        Math.max(...all.map((one) => Number(one.getAttribute("data-id"))))
      )
    const before = yield* Effect.promise(newest)
    yield* user.slide("fibers", 64)
    yield* user.click("close-session")
    yield* user.until("a lost session", () => sessions("lost").count(), (n) => n === 1)
    yield* user.until("a new session", newest, (id) => id > before)
    yield* user.until("it goes", () => sessions("lost").count(), (n) => n === 0)
    yield* user.isServing

    // a reset stream is lost, but no session
    yield* user.click("reset-stream")
    yield* user.until("a lost stream", () => streams("lost").count(), (n) => n > 0)
    assert.strictEqual(yield* Effect.promise(() => sessions("lost").count()), 0)

    // the endpoints have equally many sessions; keepAlive notices one that hangs, and the others go on
    yield* user.until("its share", () => user.endpoint("b"), ({ sessions }) => sessions > 0)
    yield* user.clickAt("b", "stop")
    yield* user.until("no sessions", () => user.endpoint("b"), ({ sessions }) => sessions === 0)
    yield* user.isServing
    yield* user.clickAt("b", "resume")

    // and one that is gone
    yield* user.clickAt("a", "kill")
    yield* user.until("no sessions", () => user.endpoint("a"), ({ sessions }) => sessions === 0)
    yield* user.isServing
    yield* user.clickAt("a", "start")
    for (const name of ["a", "b"]) {
      yield* user.until(
        "it is back",
        () => user.endpoint(name),
        ({ sessions, state }) => sessions > 0 && (state === "healthy" || state === "slow start")
      )
    }
    yield* user.isServing

    assert.deepStrictEqual(errors, [])
    yield* interrupt
    assert.deepInclude(yield* inTime("the end", ended), { code: 130, stderr: "" })
    // tsx kills a program that is busy for 30 ms after a signal: its server then ends by itself, a moment later
    yield* user.until("no process is left", async () => processes(group).length, (left) => left === 0)
  }), { timeout: 180_000, retry: 1 })

it.scopedLive.each<readonly [args: ReadonlyArray<string>, env: Readonly<Record<string, string>>, says: RegExp]>([
  [["--port", "http"], {}, /^error: .*'--port <n>'.* from 0 to 65535.*\n$/],
  [[], { HTTP3_NODE: "/bin/false" }, /^error: this machine cannot load @moq\/web-transport.*HTTP3_NODE.*\n$/]
])("says in one line why it cannot run (%j, %j)", ([args, env, says]) =>
  Effect.gen(function*() {
    const { ended } = yield* playground(args, env)
    const { code, stderr, stdout } = yield* inTime("the end", ended)
    assert.deepStrictEqual([code, stdout], [1, ""])
    assert.match(stderr, says)
  }))

it.scopedLive("says in one line that its port is taken", () =>
  Effect.gen(function*() {
    const other = yield* Effect.acquireRelease(
      Effect.promise(() => listen(createServer(), 0)),
      (server) => Effect.sync(() => server.close())
    )
    const { port } = other.address() as AddressInfo
    const { ended } = yield* playground(["--port", `${port}`])
    assert.deepStrictEqual(yield* ended, {
      code: 1,
      stdout: "",
      stderr: `error: port ${port} is taken; give another one with --port, or 0 for any\n`
    })
  }))
