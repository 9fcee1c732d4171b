import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const root = fileURLToPath(new URL("..", import.meta.url))

it.effect("reads a large stream into a few buffers, each record as it was written", () =>
  Effect.gen(function*() {
    const { stdout } = yield* Effect.promise(() =>
      promisify(execFile)("node_modules/.bin/tsx", ["examples/tiered-buffers.ts"], { cwd: root })
    )
    assert.match(stdout, /their sum is as it should be/)
    const [, made] = stdout.match(/(\d+) buffers made, at most (\d+) in use, 0 records too large/)!
    assert.isAtMost(Number(made), 7 * 24)
  }), 60_000)
