import type * as Ndjson from "@effect/platform/Ndjson"
import type { ParseError } from "effect/ParseResult"

export * from "@effect/platform/Ndjson"

export type Failure = Ndjson.NdjsonError | ParseError
