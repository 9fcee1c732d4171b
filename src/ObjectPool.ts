/**
 * A pool of many, cheap objects that only cost garbage: parsers, encoders, scratch objects, messages. A borrower never
 * waits: an empty pool creates a new object, a full one drops a returned object.
 *
 * **When it pays.** Borrowing and returning costs 9 ns, creating a plain object of one field 5 ns (Node 20;
 * `npm run bench -- memory`). So a pool pays for objects that hold something: an object with a typed array of 4 KiB, a
 * `Map` and an array takes 720 ns to create, and 36 ms of garbage collection for every 100,000 of them. For a plain
 * object of a few fields a pool is a loss, unless you only want to avoid the garbage.
 *
 * @since 0.1.0
 */
/// <reference lib="esnext.disposable" preserve="true" />
import { ContextTag, type ContextTagClass } from "#effect/context"
import type { DurationInput } from "#effect/duration"
import { scoped } from "#effect/layer"
import type * as Effect from "effect/Effect"
import type { Inspectable } from "effect/Inspectable"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as internal from "./internal/recycling/objectPool.js"
import type { RecyclingPoolStats } from "./PoolStats.js"
import type { Resettable } from "./Resettable.js"

/**
 * A pool of objects, with three APIs: effects (`use`, `useSync`, `get`), disposable leases for plain code (`lease`),
 * and unsafe calls for hot loops (`unsafeAcquire`, `unsafeRelease`).
 *
 * **Rules**
 *
 * - *Never waits, never fails for lack of an object.* If no object is idle, `factory` creates one.
 * - *Last in, first out*, so that surplus objects stay idle.
 * - *Reset on return.* An object keeps no data of its borrower. The pool also resets an object that comes back when the
 *   pool is full, then drops it. If `reset` returns `false`, the pool drops and counts the object; its borrower notices
 *   nothing.
 * - *Validated on lending.* If `validate` refuses an object, the pool drops it and tries the next one.
 * - *If `factory`, `reset` or `validate` throws*, the borrower dies of that defect. The pool counts it and drops the
 *   object. An interrupted borrower of `use` ends only by its interruption. The three may use the pool themselves. They
 *   must be done when they return: the pool would lend an object again before the promise of an `async` reset settles.
 * - *Misuse is refused and counted*: the release of a foreign object, or of one that is not lent; see
 *   `PoolStats.Refused`.
 * - *A closed pool* still lends, and keeps nothing.
 *
 * **Gotchas**
 *
 * - An object carries a private field that names its pool, and belongs to one pool only. A proxy or a copy of it is
 *   another object.
 * - `using lease = pool.lease()` is for plain and async functions. Across a `yield*` the lease would be lost on failure
 *   and interruption, because Effect abandons the generator: use `use` or `get` there.
 * - The pool cannot detect that an object is used after its release. A lease can: its `value` throws then.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service<in out A extends object> extends Inspectable {
  /** The name from the options, for metrics, messages and stats. */
  readonly name: string
  /**
   * Borrows an object for one effect. It goes back when the effect succeeds, fails or is interrupted. If something may
   * still use the object, keep it from the next borrower: let `reset` return `false` for it, or use `lease`, which you
   * can discard.
   */
  readonly use: <B, E, R>(f: (object: A) => Effect.Effect<B, E, R>) => Effect.Effect<B, E, R>
  /** Borrows an object for one function. An exception of the function is a defect. */
  readonly useSync: <B>(f: (object: A) => B) => Effect.Effect<B>
  /** Borrows an object until the scope closes. */
  readonly get: Effect.Effect<A, never, Scope.Scope>
  /** Borrows an object for a caller without effects: `using lease = pool.lease()`. */
  lease(): Lease<A>
  /** Borrows an object. The caller must call `unsafeRelease` on every path. */
  unsafeAcquire(): A
  /**
   * Returns an object from `unsafeAcquire` to the pool. Returns `false`, and does nothing, if the object is not of this
   * pool or not lent.
   *
   * **Gotchas** The pool does not detect a second release once another borrower has the object from `unsafeAcquire`. A
   * lease does.
   */
  unsafeRelease(object: A): boolean
  /**
   * Drops the objects that have been idle for this long, down to `minSize`. Returns how many. Defaults to
   * `idleTimeToLive`; `0` drops all idle objects, down to `minSize`.
   */
  readonly prune: (maxIdle?: DurationInput | undefined) => Effect.Effect<number>
  /** Drops every idle object, and creates `minSize` new ones. Returns how many were dropped. */
  readonly clear: Effect.Effect<number>
  /** How many objects are idle. */
  readonly size: Effect.Effect<number>
  /** The figures of the pool at this moment. O(1). */
  readonly stats: Effect.Effect<RecyclingPoolStats>
  /** The same figures, for plain code. */
  unsafeStats(): RecyclingPoolStats
}

/**
 * A borrowed object. Its borrower must release or discard it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lease<out A> extends Inspectable, Disposable {
  /** The object. Throws once the lease has been released or discarded. */
  readonly value: A
  /**
   * Returns the object to the pool. Returns `false`, and does nothing, if the lease has been released or discarded
   * before.
   */
  release(): boolean
  /**
   * Ends the lease and removes the object from the pool for good: the pool does not reset it, never lends it again, and
   * counts it as `discarded.invalidated`. Use it for an object that something may still use, such as I/O that continues
   * after its interruption. Returns `false`, and does nothing, if the lease has been released or discarded before.
   *
   * @since 0.2.0
   */
  discard(): boolean
  /** Returns the object to the pool, unless the lease has been released or discarded before. */
  [Symbol.dispose](): void
}

/**
 * Options of {@link make}. Only `factory` is required.
 *
 * If options make no sense, `make` dies with a defect that names the option and the value.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options<in out A extends object> {
  /** For metrics, messages and stats. Default: `"ObjectPool"`, or the key of the tag. */
  readonly name?: string | undefined
  /** Creates an object, a new one for each call. */
  readonly factory: () => A
  /**
   * Resets an object when it comes back: see `Resettable` for ready-made resets. Since 0.2.0, returning `false`
   * discards the object, for example one that has grown too large; it counts as `discarded.unfit`. Default: does
   * nothing.
   *
   * **Gotchas** An arrow function returns the value of its expression: `(flag) => flag.on = false` and
   * `(box) => box.items.delete(1)` may return `false`. Put the expression in braces.
   */
  readonly reset?: ((object: A) => void | boolean) | undefined
  /** Whether the pool may lend an idle object again. The pool does not check new objects. Default: always. */
  readonly validate?: ((object: A) => boolean) | undefined
  /** How many idle objects to create when the pool is made, and to keep when objects age or are pruned. Default: 0. */
  readonly minSize?: number | undefined
  /** The maximum number of idle objects to keep. Lent objects have no limit. Default: 64. */
  readonly maxSize?: number | undefined
  /** Drops objects that were idle for this long, down to `minSize`. Default: never. */
  readonly idleTimeToLive?: DurationInput | undefined
}

/**
 * The options of a pool whose objects reset themselves.
 *
 * @since 0.1.0
 * @category options
 */
export interface ResettableOptions<in out A extends Resettable> extends Omit<Options<A>, "factory" | "reset"> {}

/**
 * The pool of an application that needs only one. Its type does not say what the objects are: if you need the type, and
 * for a second pool, declare your own tag with {@link Tag}.
 *
 * @since 0.1.0
 * @category tags
 */
export class ObjectPool extends ContextTag("effect-pools/ObjectPool")<ObjectPool, Service<object>>() {}

/**
 * Your own tag, with a `layer`.
 *
 * @since 0.1.0
 * @category tags
 */
export interface TagClass<Self, Id extends string, A extends object> extends ContextTagClass<Self, Id, Service<A>> {
  /** The pool as a layer. Bind it to a constant: each call is a new pool. */
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
  const tag = ContextTag(id)<Self, Service<A>>()
  return Object.assign(tag, {
    layer: (options: Options<A>) => scoped(tag, make({ ...options, name: options.name ?? id }))
  })
}

/**
 * Makes a pool that lives as long as the scope. It returns after `minSize` objects were created.
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
 * Makes a pool of objects that have their own `reset()`.
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
 * Bind it to a constant: each call of `layer(…)` is a new pool, and so is each `Effect.provide` of it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <A extends object>(options: Options<A>): Layer.Layer<ObjectPool> =>
  scoped(ObjectPool, make(options) as Effect.Effect<Service<any>, never, Scope.Scope>)
