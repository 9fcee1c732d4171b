import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"

interface Line {
  readonly level: string
  readonly message: string
  readonly annotations: Record<string, unknown>
}

/** Collects the log lines of a pool, from level Debug. */
export const withLogs = <A, E, R>(f: (logs: Array<Line>) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  const logs: Array<Line> = []
  const logger = Logger.make(({ annotations, logLevel, message }) => {
    logs.push({
      level: logLevel.label,
      message: String(message),
      annotations: Object.fromEntries(HashMap.toEntries(annotations))
    })
  })
  return Effect.suspend(() => f(logs)).pipe(
    Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
    Logger.withMinimumLogLevel(LogLevel.Debug)
  )
}
