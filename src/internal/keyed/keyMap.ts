/** A map whose keys compare by Effect's `Equal`. */
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"

interface Entry<K> {
  readonly id: K
}

const isStructural = (key: unknown): boolean => (typeof key === "object" && key !== null) || typeof key === "function"

export class KeyMap<K, V extends Entry<K>> {
  /** Keys that are no objects: a `Map` compares them as `Equal` does. */
  private readonly plain = new Map<K, V>()
  private readonly byHash = new Map<number, Array<V>>()
  private structural = 0

  get size(): number {
    return this.plain.size + this.structural
  }

  get(key: K): V | undefined {
    if (!isStructural(key)) return this.plain.get(key)
    const bucket = this.byHash.get(Hash.hash(key))
    if (bucket === undefined) return undefined
    for (const value of bucket) if (value.id === key || Equal.equals(value.id, key)) return value
    return undefined
  }

  /** Adds a key that the map does not have. */
  add(value: V): void {
    if (!isStructural(value.id)) {
      this.plain.set(value.id, value)
      return
    }
    this.structural++
    const hash = Hash.hash(value.id)
    const bucket = this.byHash.get(hash)
    if (bucket === undefined) this.byHash.set(hash, [value])
    else bucket.push(value)
  }

  remove(value: V): void {
    if (!isStructural(value.id)) {
      this.plain.delete(value.id)
      return
    }
    this.structural--
    const hash = Hash.hash(value.id)
    const bucket = this.byHash.get(hash)!.filter((other) => other !== value)
    if (bucket.length === 0) this.byHash.delete(hash)
    else this.byHash.set(hash, bucket)
  }

  *[Symbol.iterator](): IterableIterator<V> {
    yield* this.plain.values()
    for (const bucket of this.byHash.values()) yield* bucket
  }
}
