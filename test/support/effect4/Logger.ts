import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"

export * from "effect/Logger"

export { formatJson as jsonLogger } from "effect/Logger"

export interface Line {
  /** In capitals. */
  readonly level: string
  readonly message: string
  readonly annotations: Readonly<Record<string, unknown>>
}

export const forEachLine = (f: (line: Line) => void): Logger.Logger<unknown, void> =>
  Logger.make(({ fiber, logLevel, message }) =>
    f({
      level: logLevel.toUpperCase(),
      message: String(message),
      annotations: fiber.getRef(References.CurrentLogAnnotations)
    })
  )

export const minimumLogLevel = (level: LogLevel.LogLevel): Layer.Layer<never> =>
  Layer.succeed(References.MinimumLogLevel, level)

/** There is no other logger than the default one that tests replace. */
export const replace = (
  _existing: Logger.Logger<unknown, void>,
  logger: Logger.Logger<unknown, void>
): Layer.Layer<never> => Logger.layer([logger])

export const withMinimumLogLevel =
  (level: LogLevel.LogLevel) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.provideService(effect, References.MinimumLogLevel, level)
