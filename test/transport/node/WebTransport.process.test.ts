/** Behaviour that only a separate process can show: it prints nothing, and nothing keeps it from ending. */
import * as Effect from "#test/Effect"
import * as Layer from "#test/Layer"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { inject } from "vitest"
import { can, where } from "../../support/capabilities.js"
import { startServer } from "../../support/implementation.js"
import { runChild } from "../../support/resources.js"
import * as TestServer from "../../support/TestServer.js"
import { expect, layer } from "../../support/vitest.js"

const client = fileURLToPath(new URL("./fixtures/webTransportClient.ts", import.meta.url))

const run = (server: TestServer.Service, what: string, path = "/echo", hash = server.hashHex, env = {}) =>
  Effect.map(
    runChild(client, [what, server.url(path), server.silentUrl("/"), hash, String(server.pid), inject("protocol")], {
      lingerDeadline: 25_000,
      env
    }),
    (result) => {
      expect(result).toMatchObject({ exitCode: 0, timedOut: false, stdout: "", stderr: "" })
      expect(result.exitedAfterDone).toBeDefined()
    }
  )

layer(Layer.scoped(TestServer.TestServer, startServer()), { excludeTestServices: true })("a process", (it) => {
  for (
    const [what, path] of [
      ["nothing", "/"],
      ["echo", "/echo"],
      ["refused", "/refuse"],
      ["refused", "/nothing"],
      ...(can("endsAttempts")
        ? [
          ["timedOut", "/never"],
          ["timedOutSilent", "/"],
          ["interrupted", "/echo"],
          ["interrupted", "/never"]
        ] as const
        : [])
    ] as const
  ) {
    it.effect(`prints nothing and ends by itself: ${what} at ${path}`, () =>
      Effect.flatMap(TestServer.TestServer, (server) => run(server, what, path)))
  }

  const troubles = [
    "stopped",
    "stoppedWhileWriting",
    ...(can("endsAttempts") ? ["stoppedBeforehand"] : []),
    ...(can("noticesDeath") ? ["killed"] : [])
  ]
  for (const what of troubles) {
    it.scoped(`prints nothing and ends by itself while its peer does not: ${what}`, () =>
      Effect.flatMap(startServer(), (server) => run(server, what)))
  }

  where("trustsExtraCertificates", it.scoped)(
    "trusts what the platform trusts where no hashes are given",
    () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const directory = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-pools-"))),
          (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
        )
        const file = join(directory, "ca.pem")
        writeFileSync(file, server.cert)
        yield* run(server, "echo", "/echo", "", { NODE_EXTRA_CA_CERTS: file })
      })
  )
})
