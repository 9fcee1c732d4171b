/** `support/sockets.ts` for tests in the browser: Node looks at the browser's processes. */
import * as Effect from "#test/Effect"
import { commands } from "@vitest/browser/context"

export const openSockets: Effect.Effect<ReadonlyArray<string>> = Effect.promise(() => commands.openSockets())
