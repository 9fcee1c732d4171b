import type * as Ndjson from "effect/encoding/Ndjson"
import type * as Schema from "effect/Schema"

export * from "effect/encoding/Ndjson"

export type Failure = Ndjson.NdjsonError | Schema.SchemaError
