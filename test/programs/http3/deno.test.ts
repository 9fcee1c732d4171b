import * as Effect from "#test/Effect"
import { build } from "esbuild"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as TestServer from "../../support/TestServer.js"
import { expect, it } from "../../support/vitest.js"

const root = fileURLToPath(new URL("../../..", import.meta.url))

/** A program with the code that a browser would load. `main` is an Effect; its result is printed as JSON. */
const program = (main: string) => `
import * as Effect from "#test/Effect"
import * as Fiber from "#test/Fiber"
import { SessionPool, StreamPool, WebTransport } from "effect-pools"

const [url, hash] = Deno.args
const connect = { serverCertificateHashes: [{ value: Uint8Array.from(JSON.parse(hash)) }] }
const at = (path) => new URL(path, url).href
const echo = (text) => (stream) =>
  Effect.andThen(stream.write(new TextEncoder().encode(text)), stream.readExactly(text.length)).pipe(
    Effect.map((bytes) => new TextDecoder().decode(bytes))
  )
const requests = Array.from({ length: 600 }, (_, i) => "request " + (100 + i))

/** Every native session that the program has made. */
const natives = []
const layer = WebTransport.layerConstructor(class extends globalThis.WebTransport {
  constructor(...args) {
    super(...args)
    natives.push(this)
  }
})
${main}
Effect.runPromise(main.pipe(Effect.scoped, Effect.provide(layer))).then((result) => console.log(JSON.stringify(result)))
`

/** Runs a program in Deno, and returns its output. */
const inDeno = (server: TestServer.Service, main: string) =>
  Effect.gen(function*() {
    const { outputFiles: [bundle] } = yield* Effect.promise(() =>
      build({
        stdin: { contents: program(main), resolveDir: root },
        absWorkingDir: root,
        platform: "browser",
        format: "esm",
        bundle: true,
        write: false
      })
    )
    const running = promisify(execFile)(
      "node_modules/.bin/deno",
      [
        "run",
        "--no-config",
        "--unstable-net",
        "--allow-net=127.0.0.1",
        "-",
        server.url("/echo"),
        JSON.stringify([...server.hash])
      ],
      { cwd: root, timeout: 100_000 }
    )
    running.child.stdin!.end(bundle!.contents)
    const { stderr, stdout } = yield* Effect.promise(() => running)
    expect(stderr).toBe("")
    return JSON.parse(stdout)
  })

it.scopedLive("what browsers load runs in Deno, too, over its own WebTransport", () =>
  Effect.gen(function*() {
    const server = yield* TestServer.start({ protocol: "http3" })
    const { created, ...others } = yield* inDeno(
      server,
      `const main = Effect.gen(function*() {
        const sessionPool = yield* SessionPool.make({ url, connect, maxSize: 2 })
        const pool = yield* StreamPool.make({ sessionPool, maxSize: 8 })
        const answers = yield* Effect.forEach(requests, (text) => pool.use(echo(text)), { concurrency: 16 })
        const { created, reuses } = yield* pool.stats
        return { isSame: JSON.stringify(answers) === JSON.stringify(requests), total: created + reuses, created }
      })`
    )
    expect(others).toEqual({ isSame: true, total: 600 })
    expect(created).toBeLessThanOrEqual(8)
  }))

it.scopedLive("Deno's limit of streams is one for a pool, too: it opens another session", () =>
  Effect.gen(function*() {
    const server = yield* TestServer.start({ protocol: "http3" })
    const result = yield* inDeno(
      server,
      `const main = Effect.gen(function*() {
        const session = yield* WebTransport.connect(url, connect)
        const opening = Effect.forever(session.createBidirectionalStream())
        const { reason } = yield* Effect.flip(Effect.scoped(opening))
        const sessionPool = yield* SessionPool.make({ url, connect, maxSize: 2 })
        const pool = yield* StreamPool.make({ sessionPool, maxSize: 160 })
        const isSame = (text) => Effect.map(pool.use(echo(text)), (answer) => answer === text)
        const answers = yield* Effect.forEach(requests, isSame, { concurrency: 160 })
        return { reason, wrong: answers.filter((is) => !is).length }
      })`
    )
    expect(result).toEqual({ reason: "StreamLimit", wrong: 0 })
  }))

it.scopedLive("a connect that is given up in Deno leaves no session", () =>
  Effect.gen(function*() {
    const server = yield* TestServer.start({ protocol: "http3" })
    const { interrupted } = yield* inDeno(
      server,
      `const main = Effect.gen(function*() {
        for (let millis = 0; millis < 40; millis++) {
          const fiber = yield* Effect.fork(Effect.scoped(Effect.andThen(WebTransport.connect(url, connect), Effect.never)))
          yield* Effect.sleep(millis % 10)
          yield* Fiber.interrupt(fiber)
        }
        const interrupted = natives.length
        // each session ends; a session that was not closed would not end
        const ended = (native) => Promise.allSettled([native.ready, native.closed])
        yield* Effect.promise(() => Promise.all(natives.map(ended)))
        return { interrupted }
      })`
    )
    expect(interrupted).toBe(40)
  }))

it.scopedLive("says in Deno, too, why there is no session, and how one ended", () =>
  Effect.gen(function*() {
    const server = yield* TestServer.start({ protocol: "http3" })
    const { closeCode, failed, message } = yield* inDeno(
      server,
      `const main = Effect.gen(function*() {
        const { message } = yield* Effect.flip(WebTransport.connect(url))
        const session = yield* WebTransport.connect(at("/close?code=7&afterMs=50"), connect)
        const stream = yield* session.createBidirectionalStream()
        const failed = yield* Effect.flip(stream.read)
        const { closeCode } = yield* session.closed
        return { message, failed: failed.reason, closeCode }
      })`
    )
    expect(message).toContain("UnknownIssuer; pin the server's current certificate")
    expect([failed, closeCode]).toEqual(["SessionClosed", 7])
  }))
