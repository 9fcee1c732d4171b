/** Errors of the transport, and what the platforms' own words mean. */
import { FramingError } from "../../FramingError.js"
import type { FrameProblem } from "../core/bytes/frameCodec.js"

export const framingError = (problem: FrameProblem): FramingError => {
  switch (problem._tag) {
    case "Oversized": {
      const { operation, size, limit } = problem
      return new FramingError({ reason: "Oversized", operation, size, limit })
    }
    case "Truncated": {
      const { received, size } = problem
      return new FramingError({ reason: "Truncated", operation: "read", size, received })
    }
    case "Malformed": {
      const { detail, size } = problem
      return new FramingError({ reason: "Malformed", operation: "read", size, detail })
    }
  }
}
