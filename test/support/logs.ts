import * as Effect from "#test/Effect"
import * as Logger from "#test/Logger"
import * as LogLevel from "#test/LogLevel"

/** Collects the log lines of a pool, from level Debug. */
export const withLogs = <A, E, R>(f: (logs: Array<Logger.Line>) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  const logs: Array<Logger.Line> = []
  return Effect.suspend(() => f(logs)).pipe(
    Effect.provide(Logger.replace(Logger.defaultLogger, Logger.forEachLine((line) => logs.push(line)))),
    Logger.withMinimumLogLevel(LogLevel.Debug)
  )
}
