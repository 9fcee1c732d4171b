/** Texts about the endpoints of a pool of sessions. */
import { describeFailure } from "./describeFailure.js"
import { showMillis } from "./poolTexts.js"

const because = (failure: unknown): string => failure === undefined ? "" : `: ${describeFailure(failure)}`

export const endpointFailing = (endpoint: string, why: "Connect" | "Death", failure: unknown): string =>
  `${
    why === "Connect"
      ? `connecting to ${endpoint} failed`
      : `a session with ${endpoint} died soon after it was opened`
  }; the pool uses its other endpoints until ${endpoint} is well again${because(failure)}`

export const endpointEjected = (endpoint: string, failures: number, duration: number): string =>
  `${failures} session(s) with ${endpoint} failed in a row; the pool opens no more there for ${
    showMillis(duration)
  }, ` +
  "and then only after a probe"

export const endpointBack = (endpoint: string): string => `${endpoint} is well again; the pool opens sessions there`

/** `listed`: how many endpoints the pool has meanwhile. */
export const endpointListFailed = (what: string, failure: unknown, listed: number): string =>
  `the stream of endpoints brought no usable list, since ${what}${because(failure)}. ` +
  (listed === 0 ? "The pool has no endpoint yet" : `The pool keeps the last list, of ${listed} endpoint(s)`)

export const endpointsIgnored = (problems: ReadonlyArray<string>): string =>
  `the stream of endpoints: the pool ignores entries of a list: ${problems.join(", ")}`
