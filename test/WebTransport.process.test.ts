/** What only a process of its own can show: that it says nothing, and that nothing keeps it from ending. */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { runChild } from "./support/resources.js"
import * as TestServer from "./support/TestServer.js"

const client = fileURLToPath(new URL("./fixtures/webTransportClient.ts", import.meta.url))

const run = (server: TestServer.Service, what: string, path = "/echo", hash = server.hashHex, env = {}) =>
  Effect.map(
    runChild(client, [what, server.url(path), server.silentUrl("/"), hash, String(server.pid)], {
      lingerDeadline: 4000,
      env
    }),
    (result) => {
      expect(result).toMatchObject({ exitCode: 0, timedOut: false, stdout: "", stderr: "" })
      expect(result.exitedAfterDone).toBeDefined()
    }
  )

layer(TestServer.layer(), { excludeTestServices: true })("a process", (it) => {
  for (
    const [what, path] of [
      ["nothing", "/"],
      ["echo", "/echo"],
      ["refused", "/refuse"],
      ["refused", "/nothing"],
      ["timedOut", "/never"],
      ["timedOutSilent", "/"],
      ["interrupted", "/echo"],
      ["interrupted", "/never"]
    ] as const
  ) {
    it.effect(`prints nothing and ends by itself: ${what} at ${path}`, () =>
      Effect.flatMap(TestServer.TestServer, (server) => run(server, what, path)))
  }

  for (const what of ["stopped", "stoppedWhileWriting", "stoppedBeforehand", "killed"]) {
    it.scoped(`prints nothing and ends by itself while its peer does not: ${what}`, () =>
      Effect.flatMap(TestServer.start(), (server) => run(server, what)))
  }

  it.scoped("trusts what the platform trusts where no hashes are given", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-pools-"))),
        (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
      )
      const file = join(directory, "ca.pem")
      writeFileSync(file, server.cert)
      yield* run(server, "echo", "/echo", "", { NODE_EXTRA_CA_CERTS: file })
    }))
})
