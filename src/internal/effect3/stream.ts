/** Streams. */
import * as Stream from "effect/Stream"

/** Runs an effect again and again. The stream ends when the effect fails with none. */
export const repeatEffectOption = Stream.repeatEffectOption

/** A stream that an effect makes, whose scope is the stream's. */
export const unwrap = Stream.unwrapScoped
