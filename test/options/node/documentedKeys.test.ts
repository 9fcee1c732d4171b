import { readFileSync } from "node:fs"
import { assert, describe, it } from "vitest"
import type { Table } from "../../../src/internal/options/optionTable.js"
import { permitsOptions } from "../../../src/internal/permits/permitsOptions.js"
import { requestOptions } from "../../../src/internal/requests/requestOptions.js"
import { configOptions } from "../../../src/internal/sessions/sessionOptions.js"
import { streamOptions } from "../../../src/internal/streams/streamOptions.js"

const keysOf = (table: Table): ReadonlyArray<string> =>
  Object.keys(table)
    .filter((option) => table[option]!.description !== undefined)
    .map((option) => option.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase())

const documented = (module: string): ReadonlyArray<string> => {
  const text = readFileSync(new URL(`../../../src/${module}.ts`, import.meta.url), "utf8")
  return Array.from(text.matchAll(/^ \* \| `([A-Z_]+)` \|/gm), ([, key]) => key!)
}

describe("the documentation of config", () => {
  it("names every key of a pool of sessions, and no other", () => {
    assert.sameMembers([...documented("SessionPool"), "URL"], [...keysOf(configOptions)])
  })

  it("names every key of the permits of a fleet, and no other", () => {
    assert.sameMembers([...documented("RedisPermits")], [...keysOf(permitsOptions)])
  })

  it("names every key of a pool of requests, and no other", () => {
    assert.sameMembers([...documented("RequestPool")], [...keysOf(requestOptions)])
  })

  it("names every key of a pool of streams, and no other", () => {
    assert.sameMembers([...documented("StreamPool")], [...keysOf(streamOptions)])
  })
})
