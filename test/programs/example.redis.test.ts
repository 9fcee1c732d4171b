/** The example of a pool of Redis connections, on a real server that is killed in the middle. */
import * as Effect from "#test/Effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, it } from "../support/vitest.js"

const root = fileURLToPath(new URL("../..", import.meta.url))

it.effect("makes each transfer once, though the server is killed in the middle", () =>
  Effect.gen(function*() {
    const run = () => promisify(execFile)("node_modules/.bin/tsx", ["examples/redis.ts"], { cwd: root })
    assert.deepStrictEqual(yield* Effect.promise(run), {
      stdout: "500 transfers, each made once; the sum is still 10000\n" +
        "connections that died with the server: replaced\n",
      stderr: ""
    })
  }))
