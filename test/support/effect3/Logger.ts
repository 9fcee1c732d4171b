import * as Logger from "effect/Logger"

export * from "effect/Logger"

export interface Line {
  /** In capitals. */
  readonly level: string
  readonly message: string
  readonly annotations: Readonly<Record<string, unknown>>
}

export const forEachLine = (f: (line: Line) => void): Logger.Logger<unknown, void> =>
  Logger.make(({ annotations, logLevel, message }) =>
    f({ level: logLevel.label, message: String(message), annotations: Object.fromEntries(annotations) })
  )
