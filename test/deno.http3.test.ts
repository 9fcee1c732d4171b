import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { build } from "esbuild"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as TestServer from "./support/TestServer.js"

const root = fileURLToPath(new URL("..", import.meta.url))

/** What a browser would load, and what a program does with it. */
const program = `
import * as Effect from "effect/Effect"
import { SessionPool, StreamPool, WebTransport } from "effect-pools"

const [url, hash] = Deno.args
const connect = { serverCertificateHashes: [{ value: Uint8Array.from(JSON.parse(hash)) }] }
const echo = (text) => (stream) =>
  Effect.zipRight(stream.write(new TextEncoder().encode(text)), stream.readExactly(text.length)).pipe(
    Effect.map((bytes) => new TextDecoder().decode(bytes))
  )
const requests = Array.from({ length: 200 }, (_, i) => "request " + (100 + i))

const main = Effect.gen(function*() {
  const sessionPool = yield* SessionPool.make({ url, connect, maxSize: 2 })
  const pool = yield* StreamPool.make({ sessionPool, maxSize: 8 })
  const answers = yield* Effect.forEach(requests, (text) => pool.use(echo(text)), { concurrency: 16 })
  const { created, reuses } = yield* pool.stats
  return { isSame: JSON.stringify(answers) === JSON.stringify(requests), total: created + reuses, created }
}).pipe(Effect.scoped, Effect.provide(WebTransport.layerConstructorGlobal))
Effect.runPromise(main).then((result) => console.log(JSON.stringify(result)))
`

it.scopedLive("what browsers load runs in Deno, too, over its own WebTransport", () =>
  Effect.gen(function*() {
    const server = yield* TestServer.start({ protocol: "http3" })
    const { outputFiles: [bundle] } = yield* Effect.promise(() =>
      build({
        stdin: { contents: program, resolveDir: root },
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
    const { created, ...others } = JSON.parse(stdout)
    expect(others).toEqual({ isSame: true, total: 200 })
    expect(created).toBeLessThanOrEqual(8)
  }))
