import { major } from "#test/major"
import { inject } from "vitest"

const overHttp2 = inject("protocol") === "http2"

/** All cases of a sweep that needs no transport; in the projects of other transports, every fourth. */
export const sampled = <A>(cases: ReadonlyArray<A>): ReadonlyArray<A> =>
  overHttp2 ? cases : cases.filter((_, i) => i % 4 === 0)

/** Whether this is the project that runs first: others need fewer random cases. */
export const isFirst = overHttp2 && major === "effect3"
