export * from "effect/Cause"

/** The tag of the error of `Effect.timeout`. */
export const timeoutTag = "TimeoutException"
