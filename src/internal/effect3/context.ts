/** Tags of services. */
import * as Context from "effect/Context"

/** A class that is the tag of a service. */
export type ContextTagClass<Self, Id extends string, Service> = Context.TagClass<Self, Id, Service>

/** Declares a tag: `class Db extends ContextTag("app/Db")<Db, Service>() {}`. */
export const ContextTag = Context.Tag
