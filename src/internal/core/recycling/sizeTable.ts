/**
 * Finds the smallest size that fits a length. Sizes between the same two powers of two are tried one after the other. If
 * each size is at least twice the size before, that is one step at most, for any number of sizes.
 */
export class SizeTable {
  private readonly sizes: ReadonlyArray<number>
  /** The first size that may fit, by the number of bits of `length - 1`. */
  private readonly first: ReadonlyArray<number>
  private readonly largest: number

  /** `sizes` must ascend. */
  constructor(sizes: ReadonlyArray<number>) {
    this.sizes = sizes
    this.largest = sizes.at(-1)!
    this.first = Array.from({ length: 33 }, (_, bits) => {
      const shortest = bits === 0 ? 1 : 2 ** (bits - 1) + 1
      return sizes.findIndex((size) => size >= shortest)
    })
  }

  /** Returns -1 if no size fits. */
  indexOf(length: number): number {
    if (length > this.largest) return -1
    let index = length === 0 ? 0 : this.first[32 - Math.clz32(length - 1)]!
    while (this.sizes[index]! < length) index++
    return index
  }
}
