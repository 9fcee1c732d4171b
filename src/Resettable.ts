/**
 * Objects that can reset themselves, and ready-made resets for arrays, maps and other objects that cannot. A pool calls
 * a reset when an object comes back, so that the object keeps no data of its borrower and the next borrower sees none.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"

/**
 * An object that can reset itself: see `ObjectPool.makeResettable`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Resettable {
  /**
   * Restores the object's initial state. Since 0.2.0, returning `false` tells the pool to discard the object, for
   * example one that has grown too large. Any other result is ignored.
   */
  reset(): unknown
}

/**
 * Whether a value has a `reset` method.
 *
 * @since 0.1.0
 * @category guards
 */
export const isResettable = (u: unknown): u is Resettable =>
  Predicate.hasProperty(u, "reset") && Predicate.isFunction(u.reset)

/**
 * Calls the object's own `reset`. Returns `false` if `reset` does (since 0.2.0), otherwise `true`.
 *
 * @since 0.1.0
 * @category resets
 */
export const reset = (object: Resettable): boolean => object.reset() !== false

/**
 * Empties an array by removing its entries one by one, so that the engine keeps the array's memory. Setting `length` to
 * 0 drops it.
 *
 * @since 0.1.0
 * @category resets
 */
export const array = (array: Array<any>): void => {
  while (array.length > 0) array.pop()
}

/**
 * Empties a `Map`.
 *
 * @since 0.1.0
 * @category resets
 */
export const map = (map: Map<any, any>): void => {
  map.clear()
}

/**
 * Empties a `Set`.
 *
 * @since 0.1.0
 * @category resets
 */
export const set = (set: Set<any>): void => {
  set.clear()
}

/**
 * Deletes every key of an object that is used as a dictionary.
 *
 * @since 0.1.0
 * @category resets
 */
export const record = (record: object): void => {
  for (const key of Reflect.ownKeys(record)) delete (record as Record<PropertyKey, unknown>)[key]
}

/**
 * Zeroes bytes, or any other typed array of numbers.
 *
 * @since 0.1.0
 * @category resets
 */
export const zero = (bytes: { fill(value: 0): unknown }): void => {
  bytes.fill(0)
}

/**
 * Sets fields to their initial values. Use it for objects of a fixed shape, which have these fields from the start:
 * engines keep them small and fast.
 *
 * **Gotchas**
 *
 * All objects share the values: use primitives or constants.
 *
 * @example
 * ```ts
 * import { ObjectPool, Resettable } from "effect-pools"
 *
 * export class Points extends ObjectPool.Tag("Points")<Points, { x: number; y: number }>() {}
 *
 * export const PointsLive = Points.layer({
 *   factory: () => ({ x: 0, y: 0 }),
 *   reset: Resettable.fields({ x: 0, y: 0 })
 * })
 * ```
 *
 * @since 0.1.0
 * @category resets
 */
export const fields = <const F extends object>(values: F): (object: { -readonly [K in keyof F]: any }) => void => {
  const entries = Object.entries(values)
  return (object) => {
    for (const [key, value] of entries) (object as Record<string, unknown>)[key] = value
  }
}

/**
 * Runs the resets one after the other; all of them, even if one throws. Then throws the first error. Returns `false` if
 * one of the resets does (since 0.2.0), otherwise `true`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const all = <A>(...resets: ReadonlyArray<(object: A) => void | boolean>): (object: A) => boolean => (object) => {
  const errors: Array<unknown> = []
  let isFit = true
  for (const reset of resets) {
    try {
      if (reset(object) === false) isFit = false
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
  return isFit
}
