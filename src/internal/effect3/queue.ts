/** Queues, looked at by plain code. */
import * as Option from "effect/Option"
import type * as Queue from "effect/Queue"

/** How many values wait in it; none once it has shut down. */
export const sizeOf = (queue: Queue.Dequeue<unknown>): number => Option.getOrElse(queue.unsafeSize(), () => 0)
