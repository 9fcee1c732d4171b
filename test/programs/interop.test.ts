import * as Effect from "#test/Effect"
import { execFile } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as Processes from "../support/processes.js"
import { expect, it } from "../support/vitest.js"

const root = fileURLToPath(new URL("../..", import.meta.url))
const main = fileURLToPath(new URL("../interop/server.ts", import.meta.url))

/** A server in a process of its own, and the variables that it prints. */
const serverWithEnv = Effect.acquireRelease(
  Effect.sync(() => Processes.run(main, [])),
  (server) => Effect.promise(server.kill)
).pipe(
  Effect.flatMap((server) =>
    Effect.promise(async () => {
      const env: Record<string, string> = {}
      for await (const line of createInterface({ input: server.child.stdout })) {
        const [, name, value] = /^export (\w+)=(\S+)$/.exec(line)!
        env[name!] = value!
        if (Object.keys(env).length === 2) break
      }
      return env
    })
  )
)

// a whole run of vitest within one test
it.scopedLive(
  "the suites run against any server that echoes",
  () =>
    Effect.gen(function*() {
      const own = yield* serverWithEnv
      expect(Object.keys(own)).toEqual(["INTEROP_URL", "INTEROP_CERTIFICATE_HASH"])
      // a run of its own, not a part of this one
      const outer = Object.entries(process.env).filter(([name]) =>
        !/^(VITEST|VITE_|NODE_ENV|TEST)|_REQUIRED$/.test(name)
      )
      const { stdout } = yield* Effect.promise(() =>
        promisify(execFile)(
          process.execPath,
          [
            "node_modules/vitest/vitest.mjs",
            "run",
            "--project=http2",
            "--reporter=json",
            "test/interop/",
            "test/transport/WebTransport.streams.test.ts"
          ],
          { cwd: root, env: { ...Object.fromEntries(outer), ...own }, maxBuffer: 1 << 28 }
        )
      )
      const { numFailedTests, numPassedTests } = JSON.parse(stdout.slice(stdout.indexOf("{\"")))
      expect(numFailedTests).toBe(0)
      expect(numPassedTests).toBeGreaterThan(12)
    }),
  400_000
)
