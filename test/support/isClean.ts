import { cleanliness, type StreamFacts } from "../../src/internal/core/streams/cleanliness.js"

/** Whether the stream is like new for the next borrower. */
export const isClean = (stream: StreamFacts): boolean => cleanliness(stream) === "Clean"
