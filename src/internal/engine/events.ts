/** The events of a pool, for its listeners. */
import { announced, type Listener } from "#effect/events"
import type * as Stream from "effect/Stream"
import type { PoolEvent } from "../../ResourcePoolOptions.js"

/** The pool buffers this many events per listener; a slow listener loses the oldest. */
const bufferSize = 1_024

export class PoolEvents {
  private readonly listeners = new Set<Listener<PoolEvent>>()
  private isOver = false

  readonly stream: Stream.Stream<PoolEvent> = announced<PoolEvent>(bufferSize, (listener) => {
    if (this.isOver) listener.end()
    else this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  })

  announce(event: PoolEvent): void {
    for (const listener of this.listeners) listener.offer(event)
  }

  end(): void {
    this.isOver = true
    for (const listener of this.listeners) listener.end()
  }
}
