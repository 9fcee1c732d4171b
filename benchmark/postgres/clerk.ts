/** The transactions of one fiber, one after another. */
import type { Books, Row } from "./books.js"

/** Of a transaction, from the question to the answer of `commit`. */
export const deadlineMillis = 5_000

/** Who wants to know, and for how long. */
export interface Observer {
  /** Whether to begin another transaction. */
  take(): boolean
  /** `asked`: a time of `performance.now()`. */
  answered(asked: number, fiber: number): void
  failed(error: unknown): void
}

export class Clerk {
  readonly id: number
  private readonly books: Books
  private readonly observer: Observer
  private asked = 0

  constructor(id: number, books: Books, observer: Observer) {
    this.id = id
    this.books = books
    this.observer = observer
  }

  take(): boolean {
    this.asked = performance.now()
    return this.observer.take()
  }

  committed(row: Row): void {
    this.books.enter(this.id, row)
    // a contestant that cannot be interrupted answers, but late
    if (performance.now() - this.asked > deadlineMillis + 250) this.failed(new Error("late"))
    else this.observer.answered(this.asked, this.id)
  }

  failed(error: unknown): void {
    this.observer.failed(error)
  }
}
