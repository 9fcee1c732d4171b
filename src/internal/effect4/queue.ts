/** Queues, looked at by plain code. */
import * as Queue from "effect/Queue"

/** How many values wait in it; none once it has shut down. */
export const sizeOf = (queue: Queue.Dequeue<unknown, unknown>): number => Queue.sizeUnsafe(queue)
