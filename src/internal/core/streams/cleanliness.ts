/** What is known of a stream by itself. */
export interface StreamFacts {
  /** Whether bytes can still come. */
  readonly receiving: string
  /** Whether bytes can still be sent. */
  readonly sending: string
  /** Nothing has come that no borrower has read. */
  readonly isInboxEmpty: boolean
  /** A native read is pending, and no fiber waits for it. */
  readonly isReadPending: boolean
  /** The platform is done with everything that was written. */
  readonly areWritesSettled: boolean
  /** A borrower gave a read up, and nothing has come since. */
  readonly isOverdue: boolean
  readonly isSessionAlive: boolean
}

/** What is known of the borrow that has just ended. */
export interface BorrowFacts {
  readonly isSuccess: boolean
  /** The borrower alone uses this stream, and may stop reading when it has enough. */
  readonly isOwn: boolean
}

/**
 * - `Clean`: the next borrower finds the stream as if it were new.
 * - `Settling`: the same, once the platform is done with its writes.
 * - `Dirty`: the stream is finished, not lent again.
 * - `Spoiled`: something was cut short, so the stream is reset.
 */
export type Cleanliness = "Clean" | "Settling" | "Dirty" | "Spoiled"

/** The one place that says whether a stream may be lent again. `borrow` is left out while no borrower has the stream. */
export const cleanliness = (stream: StreamFacts, borrow?: BorrowFacts): Cleanliness => {
  if (borrow !== undefined) {
    if (!borrow.isSuccess) return "Spoiled"
    if (stream.isOverdue && !borrow.isOwn) return "Spoiled"
  }
  const isQuiet = stream.receiving === "Open" && stream.sending === "Open" && stream.isInboxEmpty &&
    stream.isReadPending && stream.isSessionAlive
  if (!isQuiet) return "Dirty"
  return stream.areWritesSettled ? "Clean" : "Settling"
}

/**
 * Who has a stream on which nothing was written since it came from the pool. A stream that is on its way to its first
 * borrower, who looks at it then, is never unfit before.
 */
export type Holder = "Borrower" | "OnItsWay" | "Idle"

export interface GreetingFacts {
  /** The pool's peers send nothing before the borrower has written. */
  readonly clientSpeaksFirst: boolean
  /** No borrower had the stream before. */
  readonly isFresh: boolean
}

/** What is known of a stream's end. */
export interface EndFacts {
  /** The stream was ended here. */
  readonly isEnded: boolean
  /** Broken, finished by the peer, or ended. */
  readonly isLost: boolean
}

/**
 * Whether a stream that no borrower has begun to use is of no use any more: the peer spoke before the first write, or the
 * stream broke. What a fresh stream of a peer that speaks first brings is for its first borrower, who also sees it break.
 */
export const isUnfit = (stream: StreamFacts & EndFacts, greeting: GreetingFacts, holder: Holder): boolean => {
  if (holder === "OnItsWay" || cleanliness(stream) === "Clean") return false
  if (greeting.clientSpeaksFirst) return true
  if (holder === "Borrower") return stream.isEnded
  return !greeting.isFresh || stream.isLost
}
