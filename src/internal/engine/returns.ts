/** The return of an item: the adapter ends the view, `onRelease` decides, the machine gets the item. */
import { interruptFiber } from "#effect/fiber"
import { isDone } from "#effect/fiberFrame"
import { forkScoped } from "#effect/poolRuntime"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { Release, type Verdict } from "../core/pool/item.js"
import { isAsTheyAre } from "./asTheyAre.js"
import type { ItemHooks, ReturnVerdict } from "./contract.js"
import { explain, infoOf, runHook } from "./itemHooks.js"
import type { PoolParts } from "./parts.js"
import type { PoolItem, PoolRelease } from "./records.js"

type OnRelease<A, E> = ItemHooks<A, E, Scope.Scope>["onRelease"]

export class Returns<A, E, V> {
  private readonly parts: PoolParts<A, E, V>
  private readonly machine: PoolParts<A, E, V>["machine"]
  private readonly adapter: PoolParts<A, E, V>["adapter"]
  private readonly time: PoolParts<A, E, V>["time"]
  private readonly onRelease: OnRelease<A, E>
  /** Whether the machine alone decides on a returned item. */
  private readonly isPlain: boolean
  /** The items that `onRelease` is deciding on. */
  private deciding: Set<PoolRelease<A>> | undefined = undefined

  constructor(parts: PoolParts<A, E, V>) {
    this.parts = parts
    this.machine = parts.machine
    this.adapter = parts.adapter
    this.time = parts.time
    this.onRelease = parts.adapter.onRelease
    this.isPlain = this.onRelease === undefined && isAsTheyAre(parts.adapter)
  }

  /** Returns an item; `exit`: how its borrower ended. */
  giveBack(item: PoolItem<A>, view: V, exit: Exit.Exit<unknown, unknown>): void {
    const isSuccess = Exit.isSuccess(exit)
    if (this.isPlain) return this.release(item, isSuccess)
    this.applyVerdict(
      item,
      view,
      this.adapter.end(view, isSuccess),
      isSuccess,
      this.onRelease === undefined ? undefined : exit
    )
  }

  /** Returns an item without `onRelease`. Pools that do not need success may pass `false`. */
  giveBackUnasked(item: PoolItem<A>, view: V, isSuccess: boolean): void {
    if (this.isPlain) return this.release(item, isSuccess)
    this.applyVerdict(item, view, this.adapter.end(view, isSuccess), isSuccess, undefined)
  }

  private release(item: PoolItem<A>, isSuccess: boolean): void {
    this.machine.release(item, this.time.read(), isSuccess ? "proven" : "kept")
  }

  private applyVerdict(
    item: PoolItem<A>,
    view: V,
    verdict: ReturnVerdict,
    isSuccess: boolean,
    exit: Exit.Exit<unknown, unknown> | undefined
  ): void {
    if (verdict === "later") {
      return this.adapter.later!(view, (verdict) => this.applyVerdict(item, view, verdict, isSuccess, exit))
    }
    if (verdict === "retire") this.machine.retire(item, this.time.read())
    // a closed pool has nothing to decide, and no tick that ends a hanging hook
    if (exit === undefined || verdict === "discard" || this.machine.state === "Closed") {
      const result: Verdict = verdict === "discard" ? "discarded" : isSuccess ? "proven" : "kept"
      this.machine.release(item, this.time.read(), result)
    } else this.ask(item, exit, this.onRelease!)
  }

  /** The item counts as lent until the hook has decided. */
  private ask(item: PoolItem<A>, exit: Exit.Exit<unknown, unknown>, onRelease: NonNullable<OnRelease<A, E>>): void {
    if (Exit.isSuccess(exit)) this.machine.served(item)
    const effect = runHook(() => onRelease(item.value, exit, infoOf(item, this.time)))
    if (isDone(effect)) return this.decide(item, exit, effect)
    const release: PoolRelease<A> = new Release(item)
    this.machine.beginRelease(release, this.time.read())
    this.deciding ??= new Set()
    this.deciding.add(release)
    release.running = forkScoped(this.parts.runtime, effect, (decision) => {
      if (!this.machine.endRelease(release)) return
      this.deciding?.delete(release)
      this.decide(item, exit, decision)
    })
  }

  private decide(
    item: PoolItem<A>,
    exit: Exit.Exit<unknown, unknown>,
    decision: Exit.Exit<"keep" | "discard", unknown>
  ): void {
    explain(this.parts.log, "onRelease", item, decision)
    const isKept = Exit.isSuccess(decision) && decision.value === "keep"
    this.machine.release(item, this.time.read(), !isKept ? "discarded" : Exit.isSuccess(exit) ? "proven" : "kept")
  }

  timedOut(release: PoolRelease<A>): void {
    this.deciding?.delete(release)
    interruptFiber(release.running)
    this.parts.log.hookTookTooLong("onRelease", this.machine.policy.checkTimeout)
    this.machine.release(release.item, this.time.read(), "discarded")
  }

  /** The pool has closed. */
  close(): void {
    if (this.deciding === undefined) return
    for (const release of this.deciding) interruptFiber(release.running)
  }
}
