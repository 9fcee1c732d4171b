export { TestContext } from "effect/TestContext"
