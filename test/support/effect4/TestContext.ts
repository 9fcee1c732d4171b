import * as TestClock from "effect/testing/TestClock"

export const TestContext = TestClock.layer()
