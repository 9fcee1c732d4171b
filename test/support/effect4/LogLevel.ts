export * from "effect/LogLevel"

export const Debug = "Debug"
export const None = "None"
export const Warning = "Warn"
