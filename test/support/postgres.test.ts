import * as Effect from "#test/Effect"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as Processes from "./processes.js"
import { assert, describe, it } from "./vitest.js"

/** Waits until the condition holds. */
const until = (condition: () => boolean) => Effect.repeat(Effect.sleep("2 millis"), { until: condition })

describe("the PostgreSQL of the tests", () => {
  for (const state of ["running", "stopped"]) {
    it.scopedLive(
      `does not survive a process that is killed, ${state}, nor does its folder`,
      () =>
        Effect.gen(function*() {
          const fixture = fileURLToPath(new URL("./fixtures/holdPostgres.ts", import.meta.url))
          const parent = yield* Effect.acquireRelease(
            Effect.sync(() => Processes.run(fixture, [state])),
            (parent) => Effect.promise(() => parent.kill())
          )
          const line = yield* Effect.promise(() => once(createInterface({ input: parent.child.stdout }), "line"))
          const [pid, folder] = String(line).split(" ")
          assert.isTrue(Processes.isAlive(Number(pid)) && existsSync(folder!))
          yield* Effect.promise(() => parent.kill())
          yield* until(() => !Processes.isAlive(Number(pid)) && !existsSync(folder!))
        }),
      60_000
    )
  }
})
