import * as Predicate from "effect/Predicate"

const most = 500

/** A failure in a few words, for a message: never all of an object, which may be large or hold secrets. Never throws. */
export const describeFailure = (failure: unknown): string => {
  try {
    const text = failure instanceof Error
      ? failure.message
      : typeof failure === "string"
      ? failure
      : Predicate.hasProperty(failure, "_tag")
      ? String(failure._tag)
      : typeof failure
    return text.length > most ? `${text.slice(0, most)}…` : text
  } catch {
    return "a failure that cannot be shown"
  }
}
