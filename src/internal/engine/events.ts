/** The events of a pool, for its listeners. */
import { announced, type Listener } from "#effect/events"
import type * as Stream from "effect/Stream"
import type { PoolEvent } from "../../ResourcePoolOptions.js"

/** The pool buffers this many events per listener; a slow listener loses the oldest. */
const bufferSize = 1_024

export class PoolEvents {
  private listeners: Set<Listener<PoolEvent>> | undefined = undefined
  private isOver = false

  /** A new stream of all events from its start on. */
  stream(): Stream.Stream<PoolEvent> {
    return announced<PoolEvent>(bufferSize, (listener) => {
      const listeners = this.listeners ??= new Set()
      if (this.isOver) listener.end()
      else listeners.add(listener)
      return () => listeners.delete(listener)
    })
  }

  announce(event: PoolEvent): void {
    if (this.listeners === undefined) return
    for (const listener of this.listeners) listener.offer(event)
  }

  end(): void {
    this.isOver = true
    if (this.listeners === undefined) return
    for (const listener of this.listeners) listener.end()
  }
}
