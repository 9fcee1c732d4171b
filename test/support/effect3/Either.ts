export * from "effect/Either"
