/** `support/sockets.ts` for tests in the browser: Node looks at the browser's processes. */
import { commands } from "@vitest/browser/context"
import * as Effect from "effect/Effect"

export const openSockets: Effect.Effect<ReadonlyArray<string>> = Effect.promise(() => commands.openSockets())
