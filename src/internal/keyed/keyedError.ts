/** The failures of borrowers that no key's pool takes. */
import * as Duration from "effect/Duration"
import { PoolError } from "../../PoolError.js"
import type { CommonLimit } from "../core/keyed/commonLimit.js"
import { tooManyKeys } from "../observe/poolTexts.js"
import { withoutStack } from "../observe/withoutStack.js"

interface KeyLimits {
  readonly name: string
  readonly maxKeys: number
  readonly maxTotal: number
}

export const keyedError = (
  reason: "TooManyKeys" | "PoolClosed",
  { maxKeys, maxTotal, name }: KeyLimits,
  limit: CommonLimit<any>
): PoolError =>
  withoutStack(() =>
    new PoolError({
      reason,
      pool: name,
      waited: Duration.zero,
      size: limit.total,
      maxSize: maxTotal,
      inUse: limit.inUse,
      creating: limit.creating,
      waiters: limit.asked,
      detail: reason === "TooManyKeys" ? tooManyKeys(maxKeys) : undefined
    })
  )
