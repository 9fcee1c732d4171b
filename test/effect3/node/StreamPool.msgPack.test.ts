/** The channel of MessagePack, which Effect 4 does not have. */
import * as Effect from "#test/Effect"
import * as MsgPack from "@effect/platform/MsgPack"
import * as Socket from "@effect/platform/Socket"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { live } from "../../support/implementation.js"
import { poolAt, soon, until } from "../../support/streamPools.js"
import { assert, layer } from "../../support/vitest.js"

const Question = Schema.Struct({ id: Schema.Number, text: Schema.String })
const questions = Array.from({ length: 50 }, (_, id) => ({ id, text: `question ${id}`.repeat(id) }))

layer(live(), { excludeTestServices: true })("StreamPool.makeSocket carries the channels of @effect/platform", (it) => {
  it.scoped("MsgPack", () =>
    Effect.gen(function*() {
      const { counts, pool } = yield* poolAt("/echo?msgpack")
      const answers = yield* Stream.fromIterable(questions).pipe(
        Stream.pipeThroughChannel(
          MsgPack.duplexSchema(Socket.toChannelWith<MsgPack.MsgPackError | ParseError>()(yield* pool.makeSocket), {
            inputSchema: Question,
            outputSchema: Question
          })
        ),
        Stream.runCollect,
        soon
      )
      assert.deepStrictEqual([...answers], questions)
      yield* soon(until(counts, ({ streamsFinished }) => streamsFinished === 1))
    }))
})
