import * as Fiber from "effect/Fiber"

export * from "effect/Fiber"

/** From plain code. */
export const interruptNow = (fiber: Fiber.RuntimeFiber<unknown, unknown>): void =>
  fiber.unsafeInterruptAsFork(fiber.id())
