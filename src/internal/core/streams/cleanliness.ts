/**
 * The state of one direction of a stream. `Absent`: the stream lacks this direction. `Finished`: by a FIN. `Failed`: broken,
 * lost, or ended by this side.
 */
export type Direction = "Absent" | "Open" | "Finished" | "Failed"

/** The facts about a stream, without its borrow. */
export interface StreamFacts {
  readonly receiving: Direction
  readonly sending: Direction
  /** All bytes that arrived have been read. */
  readonly isInboxEmpty: boolean
  /** A native read is pending, without a fiber that waits for it. */
  readonly isReadPending: boolean
  /** The platform has completed all writes. */
  readonly areWritesSettled: boolean
  /** A borrower gave up a read, and no bytes have arrived since. */
  readonly isOverdue: boolean
  readonly isSessionAlive: boolean
}

/** The facts about the borrow that has just ended. */
export interface BorrowFacts {
  readonly isSuccess: boolean
  /** The stream serves this borrower only, which may stop reading at any time. */
  readonly isOwn: boolean
  /** The pool must not lend the stream again. */
  readonly isForOneUse: boolean
}

/**
 * - `Clean`: for the next borrower the stream is like new.
 * - `Settling`: clean when the platform has completed the writes.
 * - `Dirty`: the pool finishes the stream, and does not lend it again.
 * - `Spoiled`: an exchange was cut short, so the pool resets the stream.
 */
export type Cleanliness = "Clean" | "Settling" | "Dirty" | "Spoiled"

/** Whether the borrower gave up a read before bytes came. A borrower that has the stream to itself may do so and succeed. */
export const isUnanswered = ({ isOverdue }: StreamFacts, { isOwn, isSuccess }: BorrowFacts): boolean =>
  isOverdue && !(isOwn && isSuccess)

/** Decides whether a stream may be lent again; nothing else does. Leave out `borrow` while no borrower has the stream. */
export const cleanliness = (stream: StreamFacts, borrow?: BorrowFacts): Cleanliness => {
  if (borrow !== undefined) {
    if (!borrow.isSuccess || isUnanswered(stream, borrow)) return "Spoiled"
    if (borrow.isForOneUse) return "Dirty"
  }
  const isQuiet = stream.receiving === "Open" && stream.sending === "Open" && stream.isInboxEmpty &&
    stream.isReadPending && stream.isSessionAlive
  if (!isQuiet) return "Dirty"
  return stream.areWritesSettled ? "Clean" : "Settling"
}

/**
 * The holder of a stream without writes since it came from the pool. A stream on its way to its first borrower is never
 * unfit: that borrower looks at it.
 */
export type Holder = "Borrower" | "OnItsWay" | "Idle"

export interface GreetingFacts {
  /** The pool's peers send nothing before the borrower has written. */
  readonly clientSpeaksFirst: boolean
  /** The stream has had no borrower before. */
  readonly isFresh: boolean
}

/** The facts about a stream's end. */
export interface EndFacts {
  /** This side ended the stream. */
  readonly isEnded: boolean
  /** The stream is broken, finished by the peer, or ended. */
  readonly isLost: boolean
}

/**
 * Whether a stream is useless before a borrower begins to use it: the peer sent bytes before the first write, or the stream
 * broke. If the peer speaks first, the first borrower of a fresh stream reads these bytes, and sees the stream break.
 */
export const isUnfit = (stream: StreamFacts & EndFacts, greeting: GreetingFacts, holder: Holder): boolean => {
  if (holder === "OnItsWay" || cleanliness(stream) === "Clean") return false
  if (greeting.clientSpeaksFirst) return true
  if (holder === "Borrower") return stream.isEnded
  return !greeting.isFresh || stream.isLost
}
