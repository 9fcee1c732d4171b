/** The base of a pool by key: in Effect 3 it is an `effect/KeyedPool`; Effect 4 has no such pool. */
import * as KeyedPool from "effect/KeyedPool"
import { pipeArguments } from "effect/Pipeable"

/** The interface of Effect's own pool by key. */
export type KeyedPoolLike<K, A, E> = KeyedPool.KeyedPool<K, A, E>

export abstract class KeyedPoolBase {
  readonly [KeyedPool.KeyedPoolTypeId] = {
    _K: (key: unknown) => key,
    _A: (value: any) => value,
    _E: (value: never) => value
  }

  pipe() {
    return pipeArguments(this, arguments)
  }
}
