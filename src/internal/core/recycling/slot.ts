/** The record of a pooled item, and how it is found from the item. */

/** The holder of an item while no borrower has it. */
export const heldByPool: object = { holder: "the pool" }

/** The holder of an item that its pool has dropped. Another pool may adopt the item. */
export const heldByNobody: object = { holder: "nobody" }

/** The record of one item while it belongs to its pool. `O` is the list of the item. */
export class Slot<A extends object, O extends object = object> {
  readonly owner: O
  readonly value: A
  /** The holder has to return the item. Only a release by the holder counts. */
  holder: object
  /** Milliseconds. It begins with a fraction, so that JavaScript engines write later times in place. */
  idleSince = 0.5

  constructor(owner: O, value: A, holder: object) {
    this.owner = owner
    this.value = value
    this.holder = holder
  }
}

class Returning {
  constructor(value: object) {
    return value
  }
}

/**
 * Puts the slot on the item itself, as a private field: found in a nanosecond or two, invisible to keys, spread and
 * serialization, and without a second table.
 */
class Stamp extends Returning {
  #slot: Slot<any, any>

  constructor(value: object, slot: Slot<any, any>) {
    super(value)
    this.#slot = slot
  }

  static has(value: object): boolean {
    return #slot in value
  }

  static set(value: object, slot: Slot<any, any>): void {
    if (#slot in value) value.#slot = slot
    else new Stamp(value, slot)
  }

  static get(value: object): Slot<any, any> | undefined {
    return #slot in value ? value.#slot : undefined
  }
}

/** Slots of items that take no new fields. JavaScript engines will refuse private fields on them, too. */
let sealed: WeakMap<object, Slot<any, any>> | undefined

const setSlot = (value: object, slot: Slot<any, any>): void => {
  // an item that was sealed after the stamp still takes a new slot, and is looked up there first
  if (Stamp.has(value) || Object.isExtensible(value)) return Stamp.set(value, slot)
  sealed ??= new WeakMap()
  sealed.set(value, slot)
}

export const isObject = (value: unknown): value is object =>
  typeof value === "object" ? value !== null : typeof value === "function"

/** The slot of an item, in its pool or its last pool. */
export const slotOf = (value: unknown): Slot<any, any> | undefined =>
  isObject(value) ? Stamp.get(value) ?? sealed?.get(value) : undefined

/** Whether an item belongs to a pool, lent or not. */
export const isPooled = (value: object): boolean => {
  const slot = slotOf(value)
  return slot !== undefined && slot.holder !== heldByNobody
}

/** Gives an item a slot. `part` belongs to the item, and must not enter a pool by itself. */
export const stamp = <A extends object, O extends object>(
  owner: O,
  value: A,
  holder: object,
  part: ((value: A) => object) | undefined
): Slot<A, O> => {
  const slot = new Slot(owner, value, holder)
  setSlot(value, slot)
  if (part !== undefined) setSlot(part(value), slot)
  return slot
}
