import * as Effect from "#test/Effect"
import { execFileSync, spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as TestServer from "../support/TestServer.js"
import { expect, it, layer } from "../support/vitest.js"

/** Arguments that a busy machine needs. */
const patiently = ["--time-limit", "100"]

const root = fileURLToPath(new URL("../..", import.meta.url))
const script: string = JSON.parse(readFileSync(`${root}package.json`, "utf8")).scripts.start
const [program, ...words] = script.split(" ")

/** The live processes of the demo in a process group. */
const processes = (group: number): ReadonlyArray<string> =>
  execFileSync("ps", ["-A", "-o", "pgid=,stat=,args="], { encoding: "utf8" }).split("\n").filter((line) => {
    const [pgid, state = ""] = line.trim().split(/\s+/)
    return Number(pgid) === group && !state.startsWith("Z") && line.includes("examples/demo")
  })

interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** The demo's processes when it printed its first line of progress, and when it had ended. */
  readonly during: ReadonlyArray<string>
  readonly after: ReadonlyArray<string>
}

interface Options {
  /** A signal for all processes of the demo, as from a terminal, at the first line of progress. */
  readonly signal?: NodeJS.Signals
}

/** Runs the program of `npm start -- …`, in its own process group. */
const demo = (args: ReadonlyArray<string>, options: Options = {}): Effect.Effect<Result> =>
  Effect.acquireUseRelease(
    Effect.sync(() =>
      spawn(`node_modules/.bin/${program}`, [...words, ...args], {
        cwd: root,
        detached: true,
        stdio: ["ignore", "pipe", "pipe"]
      })
    ),
    (child) =>
      Effect.async<Result>((resume) => {
        let stdout = ""
        let stderr = ""
        let during: ReadonlyArray<string> = []
        let after: ReadonlyArray<string> = []
        child.stdout.setEncoding("utf8").on("data", (text: string) => {
          stdout += text
        })
        child.stderr.setEncoding("utf8").on("data", (text: string) => {
          stderr += text
          if (during.length > 0) return
          during = processes(child.pid!)
          if (options.signal !== undefined) process.kill(-child.pid!, options.signal)
        })
        child.once("exit", () => {
          after = processes(child.pid!)
        })
        child.once("close", (code) => {
          // tsx kills a program that is busy for 30 ms after a signal: its server then ends by itself, a moment later.
          const look = () => {
            if (options.signal === undefined || after.length === 0) {
              return resume(Effect.succeed({ code, stdout, stderr, during, after }))
            }
            after = processes(child.pid!)
            setTimeout(look, 20)
          }
          look()
        })
      }),
    (child) =>
      Effect.sync(() => {
        try {
          process.kill(-child.pid!, "SIGKILL")
        } catch {
          // all processes have ended
        }
      })
  )

const server = expect.stringContaining("examples/demo/server.ts")

const cells = (table: string, title: string): ReadonlyArray<string> | undefined =>
  table.split("\n").map((line) => line.split("│").map((cell) => cell.trim()).slice(1, -1))
    .find((cells) => cells[0] === title)

const number = expect.stringMatching(/^[\d,]+$/)
const milliseconds = expect.stringMatching(/^\d+\.\d ms$/)
/** The first cells of the rows, from top to bottom. */
const titles = (table: string): ReadonlyArray<string> =>
  table.split("\n").map((line) => line.split("│")[1]?.trim() ?? "").filter((title) => title !== "")

/** The row of pooled requests, with any number of sessions from 1 to `maxSessions`. */
const pooledRow = (title: string, requests: string, maxSessions: number) => [
  title,
  requests,
  expect.stringMatching(new RegExp(`^[1-${maxSessions}]$`)),
  number,
  milliseconds,
  milliseconds,
  expect.stringMatching(/^0\.\d{3}$/)
]
const shared = "shared streams"
const streams = "pooled streams"
const sessions = "stream per request, pooled sessions"
const single = "session per request"
const singleRow = (requests: string) => [
  single,
  requests,
  requests,
  number,
  milliseconds,
  milliseconds,
  "0.000"
]

/** Expects one line with the problem and the remedy, and nothing else. */
const expectRefusal = (result: Result, ...parts: ReadonlyArray<string>) => {
  expect(result).toMatchObject({ code: 1, stdout: "", after: [] })
  expect(result.stderr).toMatch(/^error: [^\n]+\n$/)
  for (const part of parts) expect(result.stderr).toContain(part)
}

it.effect("measures all four ways against a server of its own, and leaves no process", () =>
  Effect.gen(function*() {
    const result = yield* demo(["--requests", "40", "--concurrency", "8", "--max-sessions", "2", ...patiently])
    expect(result).toMatchObject({ code: 0, during: expect.arrayContaining([server]), after: [] })
    expect(result.stderr.split("\n")).toEqual([
      ...[200, 400, 600, 800].map((done) => `shared streams: ${done} of 800`),
      ...[50, 100, 150, 200].map((done) => `pooled streams: ${done} of 200`),
      ...[10, 20, 30, 40].map((done) => `stream per request: ${done} of 40`),
      ...[1, 2, 3, 4].map((done) => `session per request: ${done} of 4`),
      ""
    ])
    expect(titles(result.stdout)).toEqual([shared, streams, sessions, single])
    expect(cells(result.stdout, shared)).toEqual(pooledRow(shared, "800", 2))
    expect(cells(result.stdout, streams)).toEqual(pooledRow(streams, "200", 2))
    expect(cells(result.stdout, sessions)).toEqual(pooledRow(sessions, "40", 2))
    expect(cells(result.stdout, single)).toEqual(singleRow("4"))
  }))

it.effect("ends at once when interrupted, and takes its server along", () =>
  Effect.gen(function*() {
    const result = yield* demo(["--requests", "4000", ...patiently], { signal: "SIGINT" })
    expect(result).toMatchObject({ code: 130, stdout: "", during: expect.arrayContaining([server]), after: [] })
    expect(result.stderr).toMatch(/^shared streams: 20,000 of 80,000\n/)
  }))

/** Runs two at a time: starting takes longest. */
const expectRefusals = (refusals: ReadonlyArray<readonly [args: ReadonlyArray<string>, ...parts: Array<string>]>) =>
  Effect.forEach(refusals, ([args, ...parts]) => Effect.map(demo(args), (result) => expectRefusal(result, ...parts)), {
    concurrency: 2,
    discard: true
  })

it.effect("refuses a wrong option in one line", () =>
  expectRefusals([
    [["--request", "40"], "--requests", "--help"],
    [["--requests", "0"], "--requests", "from 1 to"],
    [["--url", "http://127.0.0.1/echo"], "--url", "https://"],
    [["--url", "https://127.0.0.1/echo", "--certificate-hash", "12:34"], "--certificate-hash", "64 hexadecimal digits"]
  ]))

layer(TestServer.layer())((it) => {
  it.effect("measures a server of the user's", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const hash = server.hashHex.toUpperCase().replaceAll(/..(?!$)/g, "$&:")
      const url = server.url("/echo?demo")
      const result = yield* demo(["--url", url, "--certificate-hash", hash, "--requests", "40", ...patiently])
      expect(result).toMatchObject({ code: 0, after: [] })
      expect(result.during).not.toContainEqual(expect.stringContaining("examples/demo/server.ts"))
      const rows = [shared, streams, sessions, single].map((title) => cells(result.stdout, title))
      expect(rows).toEqual([
        pooledRow(shared, "800", 4),
        pooledRow(streams, "200", 4),
        pooledRow(sessions, "40", 4),
        singleRow("4")
      ])
      const stats = yield* server.until((stats) => stats.paths["/echo?demo"]?.sessionsOpen === 0)
      const counts = stats.paths["/echo?demo"]!
      // the server's counts agree with the table, in which a session that was still opening at the end of its row is not
      const sessionsOpened = rows.reduce((sum, row) => sum + Number(row![2]), 0)
      expect(counts.sessionsAccepted).toBeGreaterThanOrEqual(sessionsOpened)
      expect(counts.sessionsAccepted).toBeLessThanOrEqual(3 * 4 + 4)
      // length and id of a request on a shared stream take 3 or 4 bytes
      expect(counts.bytesReceived).toBeGreaterThanOrEqual(24_400 + 800 * 103)
      expect(counts.bytesReceived).toBeLessThanOrEqual(24_400 + 800 * 104)
      // a stream for each request that opens its own, at most one for each of the 32 fibers, and the shared ones
      expect(counts.streamsAccepted).toBeGreaterThan(44)
      expect(counts.streamsAccepted).toBeLessThanOrEqual(44 + 32 + 4)
    }))

  it.effect("says in one line that there is no session, or no echo", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const dead = `https://127.0.0.1:${yield* TestServer.deadPort}/echo`
      const hash = ["--certificate-hash", server.hashHex]
      const otherHash = ["--certificate-hash", "00".repeat(32)]
      const noSession = ["no session with 127.0.0.1:", "--certificate-hash"]
      yield* expectRefusals([
        [["--url", dead, ...hash], ...noSession],
        [["--url", server.url("/echo"), ...otherHash], ...noSession]
      ])
      // on shared streams the second answer to a request comes too late to matter
      const result = yield* demo(["--url", server.url("/twice"), ...hash, "--requests", "40"])
      expect(result).toMatchObject({ code: 1, stdout: "", after: [] })
      expect(result.stderr).toMatch(/\nerror: an answer differs[^\n]+--url[^\n]+\n$/)
    }))
})
