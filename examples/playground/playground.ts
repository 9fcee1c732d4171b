/** The playground: its page on http://localhost, and the echo servers that the page talks to. */
import { HttpRouter, HttpServer, HttpServerResponse } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Data, Effect, Layer } from "effect"
import { build } from "esbuild"
import { createServer } from "node:http"
import { basename } from "node:path"
import { fileURLToPath } from "node:url"
import { type Action, type EchoServers, startEchoServers, type State } from "./echoServer.js"

export class PortTaken extends Data.TaggedError("PortTaken")<{ readonly message: string }> {}

/** What the page needs to know. */
export interface Servers {
  readonly hash: string
  readonly all: ReadonlyArray<{ readonly name: string; readonly url: string; readonly state: State }>
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

const router = (files: ReadonlyMap<string, string>, { all, hash }: EchoServers) => {
  const answer = Effect.flatMap(
    Effect.forEach(all, ({ name, state, url }) => Effect.map(state, (state) => ({ name, url, state }))),
    (all) => HttpServerResponse.json({ hash, all } satisfies Servers)
  )
  return HttpRouter.empty.pipe(
    HttpRouter.get("/", file(files, "index.html")),
    HttpRouter.get("/main.js", file(files, "main.js")),
    HttpRouter.get("/style.css", file(files, "style.css")),
    HttpRouter.get("/servers", answer),
    HttpRouter.post(
      "/servers/:name/:action",
      Effect.flatMap(HttpRouter.params, ({ action, name: of }) => {
        const run = all.find(({ name }) => name === of)?.actions[action as Action]
        return run === undefined ? HttpServerResponse.empty({ status: 404 }) : Effect.zipRight(run, answer)
      })
    )
  )
}

/** Serves the page until the scope closes. Returns its address. */
export const startPlayground = (port: number) =>
  Effect.gen(function*() {
    const files = yield* bundle
    const servers = yield* startEchoServers(["a", "b", "c"])
    const context = yield* Layer.build(NodeHttpServer.layer(createServer, { host: "localhost", port }))
    return yield* Effect.gen(function*() {
      yield* HttpServer.serveEffect(router(files, servers))
      const { address } = yield* HttpServer.HttpServer
      return `http://localhost:${address._tag === "TcpAddress" ? address.port : port}`
    }).pipe(Effect.provide(context))
  }).pipe(
    Effect.catchTag("ServeError", () =>
      new PortTaken({ message: `port ${port} is taken; give another one with --port, or 0 for any` }))
  )
