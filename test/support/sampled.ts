import { major } from "#test/major"
import { inject } from "vitest"

const overHttp2 = inject("protocol") === "http2"

/** Whether this is the project that runs first: others need fewer random cases. */
export const isFirst = overHttp2 && major === "effect3"

/**
 * All cases of a sweep that needs no transport; every second with the other major of Effect; in the projects of other
 * transports, every fourth.
 */
export const sampled = <A>(cases: ReadonlyArray<A>): ReadonlyArray<A> =>
  cases.filter((_, i) => i % (isFirst ? 1 : overHttp2 ? 2 : 4) === 0)
