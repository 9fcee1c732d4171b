/** The moment from which a server takes no more requests. */
const ignore = () => {}

export class LastCall {
  isOver = false
  private readonly listeners = new Set<() => void>()

  /** Calls back at that moment; at once if it is over. Returns a function that ends this. */
  on(listener: () => void): () => void {
    if (this.isOver) {
      listener()
      return ignore
    }
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  call(): void {
    this.isOver = true
    for (const listener of [...this.listeners]) listener()
    this.listeners.clear()
  }
}
