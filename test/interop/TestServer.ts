/**
 * `support/TestServer.ts` for a server that is not ours, and speaks the contract of README.md. A test that needs more of its
 * server is skipped, when it asks for that.
 */
import * as Context from "#test/Context"
import * as Effect from "#test/Effect"
import * as Layer from "#test/Layer"
import { inject } from "vitest"
import { getCurrentTest } from "vitest/suite"
import { fromHex } from "../support/bytes.js"
import type { Options, Service } from "../support/serverProcess.js"

export type { Options, Service } from "../support/serverProcess.js"

export class TestServer extends Context.Tag("effect-pools/test/TestServer")<TestServer, Service>() {}

const skip = (need: string): never => getCurrentTest()!.context.skip(`needs a server that ${need}`)
const unknown = (need: string) => Effect.sync(() => skip(need))
const signal = unknown("is a process of its own")
const counts = unknown("tells what it counted")

const { hash: hashHex, paths, url } = inject("interop")

const service: Service = {
  get pid() {
    return skip("is a process of its own")
  },
  port: Number(new URL(url).port || 443),
  url: (path) => {
    const [, name = ""] = new URL(path, url).pathname.split("/")
    if (name === "echo") return url
    return paths.includes(name) ? new URL(path, url).href : skip(`has the path /${name}`)
  },
  silentUrl: () => skip("has a port that never answers"),
  hash: fromHex(hashHex),
  hashHex,
  get cert() {
    return skip("gives its certificate away")
  },
  kill: signal,
  stop: signal,
  resume: signal,
  restart: signal,
  stats: counts,
  statsOf: () => counts,
  until: () => counts,
  command: () => unknown("obeys commands"),
  stderr: Effect.succeed("")
}

export const start = ({ initialBidirectionalStreams, initialUnidirectionalStreams }: Options = {}) =>
  initialBidirectionalStreams === undefined && initialUnidirectionalStreams === undefined
    ? Effect.succeed(service)
    : unknown("grants as many streams as a test wants")

export const layer = (options: Options = {}): Layer.Layer<TestServer> => Layer.effect(TestServer, start(options))

export const deadPort: Effect.Effect<number> = unknown("runs on this machine")
