/**
 * Makes an error without a stack: it would show only this library and Effect's, and take most of the time of a refusal.
 * Where the platform has no `Error.stackTraceLimit`, the error has its stack.
 */
export const withoutStack = <E>(make: () => E): E => {
  const platform: { stackTraceLimit?: number } = Error
  const limit = platform.stackTraceLimit
  if (limit === undefined) return make()
  platform.stackTraceLimit = 0
  try {
    return make()
  } finally {
    platform.stackTraceLimit = limit
  }
}
