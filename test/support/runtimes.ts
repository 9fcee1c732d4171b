/** Programs in runtimes that are not Node: the same tests for each. */
import * as Effect from "#test/Effect"
import { build } from "esbuild"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as TestServer from "./TestServer.js"
import { describe, expect, it } from "./vitest.js"

const root = fileURLToPath(new URL("../..", import.meta.url))

export interface Runtime {
  readonly name: string
  /** The command that runs the program on its stdin, from the root of the project. */
  readonly command: readonly [executable: string, ...args: ReadonlyArray<string>]
  /** `http2`: `NodeWebTransport`. `http3`: the runtime's own WebTransport, with the code that a browser would load. */
  readonly protocol: "http2" | "http3"
  /** What the error of a certificate that is not pinned says. */
  readonly untrusted: string
}

const connections = {
  http2: `
import * as NodeWebTransport from "effect-pools/NodeWebTransport"
const natives = []
const layer = NodeWebTransport.layer`,
  http3: `
/** Every native session that the program has made. */
const natives = []
const layer = WebTransport.layerConstructor(class extends globalThis.WebTransport {
  constructor(...args) {
    super(...args)
    natives.push(this)
  }
})`
}

/** `main` is an Effect; its result is printed as JSON. */
const program = ({ protocol }: Runtime, server: TestServer.Service, main: string) => `
import * as Effect from "#test/Effect"
import * as Fiber from "#test/Fiber"
import { SessionPool, StreamPool, WebTransport } from "effect-pools"
${connections[protocol]}

const url = ${JSON.stringify(server.url("/echo"))}
const connect = { serverCertificateHashes: [{ value: Uint8Array.from(${JSON.stringify([...server.hash])}) }] }
const at = (path) => new URL(path, url).href
const echo = (text) => (stream) =>
  Effect.andThen(stream.write(new TextEncoder().encode(text)), stream.readExactly(text.length)).pipe(
    Effect.map((bytes) => new TextDecoder().decode(bytes))
  )
const requests = Array.from({ length: 600 }, (_, i) => "request " + (100 + i))
${main}
Effect.runPromise(main.pipe(Effect.scoped, Effect.provide(layer))).then((result) => console.log(JSON.stringify(result)))
`

/** Bundles a program, runs it, and returns its output. It has to end by itself. */
export const run = ({ command: [executable, ...args], protocol }: Runtime, program: string) =>
  Effect.gen(function*() {
    const { outputFiles: [bundle] } = yield* Effect.promise(() =>
      build({
        stdin: { contents: program, resolveDir: root },
        absWorkingDir: root,
        platform: protocol === "http2" ? "node" : "browser",
        external: ["@fails-components/*"],
        format: "esm",
        bundle: true,
        write: false
      })
    )
    const running = promisify(execFile)(executable, args, { cwd: root, timeout: 100_000 })
    // a process that has failed says more
    running.child.stdin!.on("error", () => {}).end(bundle!.contents)
    const { stderr, stdout } = yield* Effect.promise(() => running)
    expect(stderr).toBe("")
    return JSON.parse(stdout)
  })

/** The tests that every runtime passes. */
export const suite = (runtime: Runtime): void => {
  const { name, protocol, untrusted } = runtime
  const start = (options?: TestServer.Options) => TestServer.start({ protocol, ...options })
  const inRuntime = (server: TestServer.Service, main: string) => run(runtime, program(runtime, server, main))

  describe(`${name}, over ${protocol}`, () => {
    it.scopedLive("sends requests on pooled streams", () =>
      Effect.gen(function*() {
        const { created, ...others } = yield* inRuntime(
          yield* start(),
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

    it.scopedLive("meets the limit of streams on a session, and opens another session", () =>
      Effect.gen(function*() {
        const result = yield* inRuntime(
          // over HTTP/3 the server grants 100
          yield* start({ initialBidirectionalStreams: 100 }),
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

    it.scopedLive("leaves no session of a connect that is given up", () =>
      Effect.gen(function*() {
        const server = yield* start()
        const result = yield* inRuntime(
          server,
          `const main = Effect.gen(function*() {
            let interrupted = 0
            for (let millis = 0; millis < 40; millis++) {
              const attempt = Effect.scoped(Effect.andThen(WebTransport.connect(url, connect), Effect.never))
              const fiber = yield* Effect.fork(attempt)
              yield* Effect.sleep(${protocol === "http3" ? "millis % 10" : "millis"})
              yield* Fiber.interrupt(fiber)
              interrupted++
            }
            // each session ends; a session that was not closed would not end
            const ended = (native) => Promise.allSettled([native.ready, native.closed])
            yield* Effect.promise(() => Promise.all(natives.map(ended)))
            const session = yield* WebTransport.connect(url, connect)
            return { interrupted, answer: yield* echo("still")(yield* session.createBidirectionalStream()) }
          })`
        )
        expect(result).toEqual({ interrupted: 40, answer: "still" })
        yield* server.until(({ sessionsOpen }) => sessionsOpen === 0)
      }))

    it.scopedLive("says why there is no session, and how one ended", () =>
      Effect.gen(function*() {
        const { closeCode, failed, message } = yield* inRuntime(
          yield* start(),
          `const main = Effect.gen(function*() {
            const { message } = yield* Effect.flip(WebTransport.connect(url))
            const session = yield* WebTransport.connect(at("/close?code=7&afterMs=50"), connect)
            const stream = yield* session.createBidirectionalStream()
            const failed = yield* Effect.flip(stream.read)
            const { closeCode } = yield* session.closed
            return { message, failed: failed.reason, closeCode }
          })`
        )
        expect(message).toContain(untrusted)
        expect([failed, closeCode]).toEqual(["SessionClosed", 7])
      }))
  })
}
