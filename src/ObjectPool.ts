/**
 * A pool of many, cheap things that only cost garbage: parsers, encoders, scratch objects, messages. A borrower never
 * waits: an empty pool makes a new object, a full one drops the object that comes back.
 *
 * **When it pays.** Borrowing and returning costs 9 ns, against 5 ns for making a plain object of one field (Node 20; `npm
 * run bench -- memory`). So it pays for objects that hold something: one with a typed array of 4 KiB, a `Map` and an array
 * takes 720 ns to make, and 36 ms of garbage collection for every 100,000 of them. For a plain object of a few fields a
 * pool is a loss, unless the garbage is what counts.
 *
 * @since 0.1.0
 */
/// <reference lib="esnext.disposable" preserve="true" />
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Inspectable } from "effect/Inspectable"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as internal from "./internal/recycling/objectPool.js"
import type { RecyclingPoolStats } from "./PoolStats.js"
import type { Resettable } from "./Resettable.js"

/**
 * A pool of objects, with three APIs: effects (`use`, `useSync`, `get`), disposable leases for plain code (`lease`), and
 * unsafe calls for hot loops (`unsafeAcquire`, `unsafeRelease`).
 *
 * **Rules**
 *
 * - *Never waits, never fails for want of an object.* If no object is idle, `factory` makes one.
 * - *Last in, first out*, so that the surplus grows old.
 * - *Reset on return.* An object keeps nothing of its borrower. An object that comes back to a full pool is reset too, then
 *   dropped. If `reset` returns `false`, the pool drops and counts the object; its borrower notices nothing.
 * - *Validated on lending.* If `validate` refuses an object, the pool drops it and tries the next one.
 * - *If `factory`, `reset` or `validate` throws*, the borrower dies of that defect. The pool counts it and drops the object.
 *   A borrower of `use` that was interrupted ends by its interruption alone. The three may use the pool themselves. They
 *   must be done when they return: the pool would lend an object again before the promise of an `async` reset settles.
 * - *Misuse is refused and counted*: the release of a foreign object, or of one that is not out; see
 *   `PoolStats.Refused`.
 * - *A closed pool* still lends, and keeps nothing.
 *
 * **Gotchas**
 *
 * - An object carries a private field that names its pool, and belongs to one pool only. A proxy or a copy of it is another
 *   object.
 * - `using lease = pool.lease()` is for plain and async functions. Around a `yield*` the lease would be lost on failure
 *   and interruption, where Effect abandons the generator: use `use` or `get` there.
 * - The pool cannot tell that an object is used after its release. A lease can: its `value` throws then.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service<in out A extends object> extends Inspectable {
  /** The name given to it, for metrics, messages and stats. */
  readonly name: string
  /**
   * Borrows an object for one effect. It goes back when the effect succeeds, fails or is interrupted. To keep an object that
   * something still uses from the next borrower, let `reset` return `false` for it, or take `lease`, which can be discarded.
   */
  readonly use: <B, E, R>(f: (object: A) => Effect.Effect<B, E, R>) => Effect.Effect<B, E, R>
  /** Borrows an object for one function. What it throws is a defect. */
  readonly useSync: <B>(f: (object: A) => B) => Effect.Effect<B>
  /** Borrows an object until the scope closes. */
  readonly get: Effect.Effect<A, never, Scope.Scope>
  /** Borrows an object for a caller without effects: `using lease = pool.lease()`. */
  lease(): Lease<A>
  /** Borrows an object. The caller must call `unsafeRelease` on every path. */
  unsafeAcquire(): A
  /**
   * Gives back what `unsafeAcquire` lent. Returns `false`, and does nothing, if the object is not of this pool or not out.
   *
   * **Gotchas** A second release is not noticed once another borrower has the object from `unsafeAcquire`. A lease notices.
   */
  unsafeRelease(object: A): boolean
  /**
   * Drops the objects that have been idle for that long, down to `minSize`. Returns how many. Defaults to `idleTimeToLive`;
   * `0` drops all.
   */
  readonly prune: (maxIdle?: Duration.DurationInput | undefined) => Effect.Effect<number>
  /** Drops every idle object, and makes `minSize` new ones. Returns how many were dropped. */
  readonly clear: Effect.Effect<number>
  /** How many objects are idle. */
  readonly size: Effect.Effect<number>
  /** The figures of the pool at this moment. O(1). */
  readonly stats: Effect.Effect<RecyclingPoolStats>
  /** The same figures, for plain code. */
  unsafeStats(): RecyclingPoolStats
}

/**
 * A borrowed object and the duty to give it back, or to discard it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lease<out A> extends Inspectable, Disposable {
  /** The object. Throws once the lease has been released or discarded. */
  readonly value: A
  /** Gives the object back. Returns `false`, and does nothing, if the lease has been released or discarded before. */
  release(): boolean
  /**
   * Ends the lease and takes the object from the pool for good: the pool does not reset it, never lends it again, and
   * counts it as `discarded.invalidated`. For an object that something may still use, such as I/O that goes on after its
   * interruption. Returns `false`, and does nothing, if the lease has been released or discarded before.
   *
   * @since 0.2.0
   */
  discard(): boolean
  /** Gives the object back, unless the lease has been released or discarded before. */
  [Symbol.dispose](): void
}

/**
 * How to make a pool. Only `factory` is required.
 *
 * Options that make no sense are refused when the pool is made, with a defect that names the option and the value.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options<in out A extends object> {
  /** For metrics, messages and stats. Default: `"ObjectPool"`, or the key of the tag. */
  readonly name?: string | undefined
  /** Makes an object, a new one for each call. */
  readonly factory: () => A
  /**
   * Makes an object as good as new when it comes back: see `Resettable` for ready-made ones. Since 0.2.0, returning `false`
   * discards the object, which counts as `discarded.unfit`: for one that has grown too large. Default: nothing.
   *
   * **Gotchas** An arrow function returns the value of its expression: `(flag) => flag.on = false` and `(box) =>
   * box.items.delete(1)` may return `false`. Put the expression in braces.
   */
  readonly reset?: ((object: A) => void | boolean) | undefined
  /** Whether an idle object may be lent again. Objects that were just made are not asked about. Default: all may. */
  readonly validate?: ((object: A) => boolean) | undefined
  /** How many idle objects to make when the pool is made, and to leave when objects age or are pruned. Default: 0. */
  readonly minSize?: number | undefined
  /** The most idle objects to keep. How many are lent has no limit. Default: 64. */
  readonly maxSize?: number | undefined
  /** Objects that are idle for that long are dropped, down to `minSize`. Default: never. */
  readonly idleTimeToLive?: Duration.DurationInput | undefined
}

/**
 * The options of a pool whose objects reset themselves.
 *
 * @since 0.1.0
 * @category options
 */
export interface ResettableOptions<in out A extends Resettable> extends Omit<Options<A>, "factory" | "reset"> {}

/**
 * The pool of an application that needs only one. Its type does not say what the objects are: where that matters, and for a
 * second pool, declare a tag of your own with {@link Tag}.
 *
 * @since 0.1.0
 * @category tags
 */
export class ObjectPool extends Context.Tag("effect-pools/ObjectPool")<ObjectPool, Service<object>>() {}

/**
 * A tag of your own, and the layer that goes with it.
 *
 * @since 0.1.0
 * @category tags
 */
export interface TagClass<Self, Id extends string, A extends object> extends Context.TagClass<Self, Id, Service<A>> {
  /** The pool as a layer. Bind it to a constant: each call is a pool of its own. */
  readonly layer: (options: Options<A>) => Layer.Layer<Self>
}

/**
 * Declares a tag for a pool.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { ObjectPool } from "effect-pools"
 *
 * class Encoder {
 *   readonly bytes: Array<number> = []
 *   encode(text: string): number {
 *     for (const character of text) this.bytes.push(character.codePointAt(0)!)
 *     return this.bytes.length
 *   }
 * }
 *
 * class Encoders extends ObjectPool.Tag("app/Encoders")<Encoders, Encoder>() {}
 *
 * const EncodersLive = Encoders.layer({
 *   factory: () => new Encoder(),
 *   reset: (encoder) => {
 *     encoder.bytes.length = 0
 *   },
 *   maxSize: 16,
 *   idleTimeToLive: "1 minute"
 * })
 *
 * export const program = Effect.gen(function*() {
 *   const encoders = yield* Encoders
 *   return yield* encoders.useSync((encoder) => encoder.encode("hello"))
 * }).pipe(Effect.provide(EncodersLive))
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export const Tag = <const Id extends string>(id: Id) => <Self, A extends object>(): TagClass<Self, Id, A> => {
  const tag = Context.Tag(id)<Self, Service<A>>()
  return Object.assign(tag, {
    layer: (options: Options<A>) => Layer.scoped(tag, make({ ...options, name: options.name ?? id }))
  })
}

/**
 * Makes a pool that lives as long as the scope. `minSize` objects are there when it returns.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { ObjectPool } from "effect-pools"
 *
 * export const program = Effect.gen(function*() {
 *   const pool = yield* ObjectPool.make({
 *     factory: () => ({ text: "" }),
 *     reset: (message) => {
 *       message.text = ""
 *     }
 *   })
 *
 *   // for one effect, or one function
 *   yield* pool.use((message) => Effect.log(message.text))
 *   yield* pool.useSync((message) => message.text.length)
 *
 *   // in plain code
 *   const shout = (text: string) => {
 *     using lease = pool.lease()
 *     lease.value.text = text.toUpperCase()
 *     return lease.value.text.length
 *   }
 *   yield* Effect.log(shout("hello"))
 *
 *   yield* Effect.log(yield* pool.stats)
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: <A extends object>(options: Options<A>) => Effect.Effect<Service<A>, never, Scope.Scope> =
  internal.make

/**
 * Makes a pool of objects that have a `reset()` of their own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeResettable: <A extends Resettable>(
  factory: () => A,
  options?: ResettableOptions<A> | undefined
) => Effect.Effect<Service<A>, never, Scope.Scope> = internal.makeResettable

/**
 * The pool of the default tag as a layer.
 *
 * **Gotchas**
 *
 * Bind it to a constant: each call of `layer(…)` is a pool of its own, and so is each `Effect.provide` of it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <A extends object>(options: Options<A>): Layer.Layer<ObjectPool> =>
  Layer.scoped(ObjectPool, make(options) as Effect.Effect<Service<any>, never, Scope.Scope>)
