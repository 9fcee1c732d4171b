export * from "effect/Scope"

export { type Closeable as CloseableScope, provide as extend } from "effect/Scope"
