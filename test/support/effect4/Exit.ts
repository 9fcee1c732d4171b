export * from "effect/Exit"

export { getCause as causeOption, hasInterrupts as isInterrupted } from "effect/Exit"
