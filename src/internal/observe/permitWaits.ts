/** What the sources of permits know of the waits for them: the two meet in the object that names a pool. */
import type { Wait } from "./poolTexts.js"

type Tell = () => Wait | undefined

const tellers = new WeakMap<object, Tell>()

/** The source of the permits of a pool tells why none comes; `undefined`: it does not know. */
export const tellWait = (pool: object, tell: Tell): void => {
  tellers.set(pool, tell)
}

export const toldWait = (pool: object): Wait | undefined => tellers.get(pool)?.()
