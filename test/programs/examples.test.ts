import * as Effect from "#test/Effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, it } from "../support/vitest.js"

const root = fileURLToPath(new URL("../..", import.meta.url))

const run = (name: string) =>
  Effect.promise(() => promisify(execFile)("node_modules/.bin/tsx", [`examples/${name}`], { cwd: root }))

it.effect("reads a large stream into a few buffers, each record as it was written", () =>
  Effect.gen(function*() {
    const { stdout } = yield* run("tiered-buffers.ts")
    assert.match(stdout, /their sum is as it should be/)
    const [, made] = stdout.match(/(\d+) buffers made, at most (\d+) in use, 0 records too large/)!
    assert.isAtMost(Number(made), 7 * 24)
  }))

it.effect("goes on when one of three servers is killed, and when another one takes its place", () =>
  Effect.gen(function*() {
    const { stderr, stdout } = yield* run("failover.ts")
    assert.strictEqual(stderr, "")
    assert.match(stdout, /three servers' *│ 1000 *│ 0 *│ 'a 2, b 2, c 2'/)
    assert.match(stdout, /b is killed' *│ \d+ *│ \d+ *│ 'a 3, c 3'/)
    assert.match(stdout, /d takes its place' *│ 1000 *│ 0 *│ 'a 2, c 2, d 2'/)
  }))

it.effect.each([
  ["session-pool.ts", `${Array.from({ length: 10 }, (_, i) => `hello ${i}`).join(", ")}\n`],
  ["stream-pipeline.ts", "The sum is 5050.\n"],
  ["file-copy.ts", [100, 5_000, 70_000, 4_000_000].map((size) => `${size} bytes: the same\n`).join("")],
  ["two-pools.ts", "an order\na measurement\n"],
  [
    "shared-streams.ts",
    `${Array.from({ length: 10 }, (_, i) => `hello ${i}!`).join(" ")}\n10 requests on 1 stream, in 1 write\n`
  ],
  [
    "workers.ts",
    ["threads", "Workers of @effect/platform"].map((name) =>
      [
        `${name}: 1, 55, 5050, 500500, 50005000`,
        "a thread dies in the middle: job 3 fails, 9 are done",
        "a job without end: None, and 1 thread is ended",
        "the next job: 6\n"
      ].join("\n")
    ).join("")
  ],
  [
    "rpc.ts",
    [
      "12 divided by 1, 2, 3 and 4: 12, 6, 4, 3",
      "1 divided by 0: DivisionByZero",
      "primes below 30: 2, 3, 5, 7, 11, 13, 17, 19, 23, 29",
      "streams opened: 1\n"
    ].join("\n")
  ]
])("runs %s, which prints its answers and no noise", ([name, expected]) =>
  Effect.gen(function*() {
    assert.deepEqual(yield* run(name!), { stdout: expected!, stderr: "" })
  }))
