import * as ConfigProvider from "#test/ConfigProvider"
import * as Effect from "#test/Effect"
import type * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import { fromTable } from "../../src/internal/options/optionConfig.js"
import {
  count,
  described,
  duration,
  flag,
  hook,
  limit,
  oneOf,
  required,
  text,
  withDefaults,
  without
} from "../../src/internal/options/optionTable.js"
import { assert, describe, it } from "../support/vitest.js"

const table = {
  name: text("pool", "The pool's name"),
  maxSize: count(1, 10, "The maximum number of {item}s"),
  maxUses: limit(1, Infinity, "How often a {item} is lent"),
  closeTimeout: duration(5_000, "How long closing may take"),
  order: oneOf(["lifo", "fifo"], "Which {item} is lent"),
  overlap: flag(false, "Whether {item}s overlap"),
  createTimeout: duration(1),
  validate: hook
}

const read = <A>(config: Config.Config<A>, entries: Record<string, string>) =>
  Effect.withConfigProvider(config, ConfigProvider.fromMap(new Map(Object.entries(entries))))

const refusal = <A>(config: Config.Config<A>, entries: Record<string, string>): Effect.Effect<string> =>
  Effect.map(Effect.exit(read(config, entries)), String)

describe("a table as a Config", () => {
  it.effect("has a key for each option that has a description, with the default of the table", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* read(fromTable(table, "session"), {}), {
        name: "pool",
        maxSize: 10,
        maxUses: Infinity,
        closeTimeout: Duration.seconds(5),
        order: "lifo",
        overlap: false
      })
    }))

  it.effect("has no default for a required option", () =>
    Effect.gen(function*() {
      const config = fromTable({ ...table, name: required(table.name) }, "session")
      assert.include(yield* refusal(config, {}), "NAME")
    }))

  it.effect("names the key of a text that it cannot read, and the rule", () =>
    Effect.gen(function*() {
      const config = fromTable(table, "session")
      const time = yield* refusal(config, { CLOSE_TIMEOUT: "-1 second" })
      assert.include(time, "CLOSE_TIMEOUT")
      assert.include(time, "expected a duration of zero or more, such as ")
      const count = yield* refusal(config, { MAX_USES: "many" })
      assert.include(count, "MAX_USES")
      assert.include(count, "expected a whole number or ")
    }))
})

describe("a table that is built on another one", () => {
  it("has defaults of its own, texts of its own, and lacks what it leaves out", () => {
    const other = withDefaults(
      { ...without(table, ["order"]), createTimeout: described(table.createTimeout, "How long making one may take") },
      { maxSize: 3 }
    )
    assert.strictEqual(other.maxSize.byDefault, 3)
    assert.strictEqual(table.maxSize.byDefault, 10)
    assert.strictEqual(other.createTimeout.description, "How long making one may take")
    assert.notProperty(other, "order")
  })
})
