/** The playground: its page on http://localhost, and the echo server that the page talks to. */
import { HttpRouter, HttpServer, HttpServerResponse } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Data, Effect, Layer } from "effect"
import { build } from "esbuild"
import { createServer } from "node:http"
import { basename } from "node:path"
import { fileURLToPath } from "node:url"
import { type Action, type EchoServer, startEchoServer, type State } from "./echoServer.js"

export class PortTaken extends Data.TaggedError("PortTaken")<{ readonly message: string }> {}

/** What the page needs to know. */
export interface Server {
  readonly url: string
  readonly hash: string
  readonly state: State
}

const page = fileURLToPath(new URL("./page", import.meta.url))

/** `main.js`, `style.css` and `index.html`, by name. */
const bundle = Effect.promise(async () => {
  const { outputFiles } = await build({
    entryPoints: [`${page}/main.ts`, `${page}/style.css`, `${page}/index.html`],
    loader: { ".html": "copy" },
    outdir: page,
    bundle: true,
    format: "esm",
    target: "es2022",
    sourcemap: "inline",
    write: false,
    logLevel: "silent"
  })
  return new Map(outputFiles.map(({ path, text }) => [basename(path), text]))
})

const contentTypes: Readonly<Record<string, string>> = {
  html: "text/html",
  js: "text/javascript",
  css: "text/css"
}

const file = (files: ReadonlyMap<string, string>, name: string) =>
  HttpServerResponse.text(files.get(name) ?? "", {
    contentType: `${contentTypes[name.split(".")[1]!]}; charset=utf-8`,
    // these two headers give the page's clock microseconds
    headers: { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" }
  })

const router = (files: ReadonlyMap<string, string>, server: EchoServer) => {
  const answer = Effect.flatMap(
    server.state,
    (state) => HttpServerResponse.json({ url: server.url, hash: server.hash, state } satisfies Server)
  )
  return HttpRouter.empty.pipe(
    HttpRouter.get("/", file(files, "index.html")),
    HttpRouter.get("/main.js", file(files, "main.js")),
    HttpRouter.get("/style.css", file(files, "style.css")),
    HttpRouter.get("/server", answer),
    HttpRouter.post(
      "/server/:action",
      Effect.flatMap(HttpRouter.params, ({ action }) => {
        const run = server.actions[action as Action]
        return run === undefined ? HttpServerResponse.empty({ status: 404 }) : Effect.zipRight(run, answer)
      })
    )
  )
}

/** Serves the page until the scope closes. Returns its address. */
export const startPlayground = (port: number) =>
  Effect.gen(function*() {
    const files = yield* bundle
    const server = yield* startEchoServer
    const context = yield* Layer.build(NodeHttpServer.layer(createServer, { host: "localhost", port }))
    return yield* Effect.gen(function*() {
      yield* HttpServer.serveEffect(router(files, server))
      const { address } = yield* HttpServer.HttpServer
      return `http://localhost:${address._tag === "TcpAddress" ? address.port : port}`
    }).pipe(Effect.provide(context))
  }).pipe(
    Effect.catchTag("ServeError", () =>
      new PortTaken({ message: `port ${port} is taken; give another one with --port, or 0 for any` }))
  )
