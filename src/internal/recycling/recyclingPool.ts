/** The base of all recycling pools, around their lists: ways of lending, ageing, figures, and the end. */
import { millisOf } from "#effect/clock"
import type { DurationInput } from "#effect/duration"
import { attempt } from "#effect/effect"
import { type AnyFiber, withFiber } from "#effect/fiber"
import { after, FiberFrame, isDone, push, raise } from "#effect/fiberFrame"
import { format, inspectSymbol } from "#effect/inspect"
import { fork, type PoolRuntime, poolRuntime } from "#effect/poolRuntime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { RecyclingPoolStats } from "../../PoolStats.js"
import { Ageing } from "../core/recycling/ageing.js"
import type { FreeList, RefusalReason } from "../core/recycling/freeList.js"
import { annotated } from "../observe/poolLog.js"
import { recyclingPool, register } from "../observe/poolMetrics.js"
import { misused } from "../observe/poolTexts.js"
import { dieOfProblems, type OptionChecks } from "../options/optionChecks.js"
import { decodeOne, duration } from "../options/optionTable.js"
import { Sleeper } from "../time/sleeper.js"

/** The figures of several lists together. If there are several, the caller passes the peak. */
export const snapshot = (
  pool: string,
  lists: ReadonlyArray<FreeList<any>>,
  peak: number = Math.max(...lists.map((list) => list.peak))
): RecyclingPoolStats => {
  const sum = (read: (list: FreeList<any>) => number) => lists.reduce((sum, list) => sum + read(list), 0)
  const acquisitions = sum((list) => list.misses + list.reused)
  const inUse = sum((list) => list.out)
  return new RecyclingPoolStats({
    pool,
    size: sum((list) => list.size),
    inUse,
    min: sum((list) => list.minSize),
    max: sum((list) => list.maxSize),
    created: sum((list) => list.created),
    acquisitions,
    reused: sum((list) => list.reused),
    returned: acquisitions - inUse,
    discarded: {
      full: sum((list) => list.discarded.full),
      unfit: sum((list) => list.discarded.unfit),
      failed: sum((list) => list.discarded.failed),
      invalidated: sum((list) => list.discarded.invalidated),
      idle: sum((list) => list.discarded.idle),
      closed: sum((list) => list.discarded.closed)
    },
    refused: {
      foreign: sum((list) => list.refused.foreign),
      notOut: sum((list) => list.refused.notOut),
      stale: sum((list) => list.refused.stale)
    },
    failures: sum((list) => list.failures),
    peak
  })
}

/** The holder of items that `use` or `get` lends. Only they can return these items, so one holder is enough. */
export const byScope = { holder: "use or get" }

/** `L` is the type that a borrower returns. */
export abstract class RecyclingPool<L> {
  readonly name: string
  protected readonly ageing: Ageing
  private readonly sleeper: Sleeper
  private readonly runtime: PoolRuntime
  private hasWarned = false
  private hideMetrics: () => void = () => undefined

  constructor(name: string, idleTimeToLive: number, runtime: PoolRuntime) {
    const { clock } = runtime
    this.name = name
    this.runtime = runtime
    this.ageing = new Ageing({
      clock: () => millisOf(clock),
      later: (run) => queueMicrotask(run),
      timeToLive: idleTimeToLive,
      wakeIn: (delay) => this.sleeper.sleep(delay)
    })
    this.sleeper = new Sleeper(clock, (effect) => fork(runtime, effect), Effect.sync(() => this.ageing.tick()))
  }

  /** The module of the pool, for logs. */
  protected abstract readonly module: string

  /** Each list with the tags of its metrics, in addition to the name of the pool. */
  abstract readonly lists: ReadonlyArray<readonly [FreeList<any>, tags: ReadonlyArray<readonly [string, string]>]>

  protected abstract giveBack(loan: L): void

  // --- lending

  protected lend<B, E, R>(take: () => L, body: (loan: L) => Effect.Effect<B, E, R>): Effect.Effect<B, E, R> {
    if (this.runtime.hasFrames) {
      return withFiber((fiber) => {
        const loan = take()
        const effect = attempt(body, loan)
        if (isDone(effect)) return this.endBorrow(loan, effect)
        push(fiber, new ReturnFrame(fiber, this, loan))
        return effect
      })
    }
    return Effect.uninterruptibleMask((restore) => {
      const loan = take()
      const effect = attempt(body, loan)
      if (isDone(effect)) return this.endBorrow(loan, effect)
      return Effect.matchCauseEffect(restore(effect), {
        onFailure: (cause) => this.endBorrow(loan, Exit.failCause(cause)),
        onSuccess: (value) => this.endBorrow(loan, Exit.succeed(value))
      })
    })
  }

  private endBorrow<B, E>(loan: L, exit: Exit.Exit<B, E>): Exit.Exit<B, E> {
    try {
      this.giveBack(loan)
      return exit
    } catch (defect) {
      return after(exit, defect)
    }
  }

  /** Called when a fiber has left its borrow. */
  passed(fiber: AnyFiber, loan: L): void {
    try {
      this.giveBack(loan)
    } catch (defect) {
      raise(fiber, defect)
    }
  }

  protected lendSync<B>(take: () => L, body: (loan: L) => B): Effect.Effect<B> {
    return Effect.sync(() => {
      const loan = take()
      let value: B
      try {
        value = body(loan)
      } catch (defect) {
        this.giveBackAfter(loan)
        throw defect
      }
      this.giveBack(loan)
      return value
    })
  }

  /** Returns an item after a failure of the borrower, which hides a failure of the return. The latter is counted. */
  protected giveBackAfter(loan: L): void {
    try {
      this.giveBack(loan)
    } catch {
      return
    }
  }

  protected lendScoped<B>(take: () => L, value: (loan: L) => B): Effect.Effect<B, never, Scope.Scope> {
    return Effect.uninterruptible(Effect.flatMap(Effect.scope, (scope) => {
      const loan = take()
      const finalizer = Effect.sync(() => this.giveBack(loan))
      return Effect.as(Scope.addFinalizer(scope, finalizer), value(loan))
    }))
  }

  // --- maintenance

  readonly prune = (maxIdle?: DurationInput | undefined): Effect.Effect<number> =>
    Effect.suspend(() => {
      const { decoded, problems } = decodeOne(duration(this.ageing.timeToLive), maxIdle, "maxIdle")
      return Effect.andThen(
        dieOfProblems(this.name, problems),
        Effect.sync(() => this.sum((list) => list.prune(decoded)))
      )
    })

  readonly clear: Effect.Effect<number> = Effect.sync(() => this.sum((list) => list.clear()))

  readonly size: Effect.Effect<number> = Effect.sync(() => this.sum((list) => list.size))

  private sum(f: (list: FreeList<any>) => number): number {
    return this.lists.reduce((sum, [list]) => sum + f(list), 0)
  }

  start(): void {
    for (const [list] of this.lists) {
      list.onRefused = this.warnOnce
      list.fill()
    }
    const hide = this.lists.map(([list, tags]) =>
      register(recyclingPool, [["pool", this.name], ...tags], this.runtime, () => snapshot(this.name, [list]))
    )
    this.hideMetrics = () => hide.forEach((f) => f())
  }

  /** Logs the first misuse, with its place; further ones are only counted. */
  private readonly warnOnce = (reason: RefusalReason): void => {
    if (this.hasWarned) return
    this.hasWarned = true
    const { stack } = new Error("refused here")
    const { module, name: pool } = this
    fork(this.runtime, annotated(Effect.logWarning(misused(reason)), { module, pool }, "Misuse", { reason, stack }))
  }

  close(): void {
    this.ageing.stop()
    this.sleeper.cancel()
    for (const [list] of this.lists) list.close()
    this.hideMetrics()
  }

  // --- Inspectable

  abstract toJSON(): unknown

  toString(): string {
    return format(this.toJSON())
  }

  [inspectSymbol](): unknown {
    return this.toJSON()
  }
}

/** Returns a fiber's item when the fiber leaves the frame. */
class ReturnFrame<L> extends FiberFrame {
  private readonly fiber: AnyFiber
  private readonly pool: RecyclingPool<L>
  private readonly loan: L

  constructor(fiber: AnyFiber, pool: RecyclingPool<L>, loan: L) {
    super()
    this.fiber = fiber
    this.pool = pool
    this.loan = loan
  }

  protected passed(): void {
    this.pool.passed(this.fiber, this.loan)
  }
}

/** Counts a refused call, and returns `false`. */
export const refuse = (list: FreeList<any>, reason: RefusalReason): false => {
  list.refused[reason]++
  list.onRefused?.(reason)
  return false
}

export const stale = (list: FreeList<any>, pool: string): Error => {
  refuse(list, "stale")
  return new Error(`[${pool}] this lease has been released or discarded; another borrower may have its object by now`)
}

/** Makes and starts a pool. Invalid options are a defect. */
export const makePool = <P extends RecyclingPool<any>>(
  name: string,
  { problems }: OptionChecks,
  construct: (runtime: PoolRuntime) => P
): Effect.Effect<P, never, Scope.Scope> =>
  Effect.gen(function*() {
    yield* dieOfProblems(name, problems)
    const runtime = yield* poolRuntime
    return yield* Effect.acquireRelease(
      Effect.sync(() => {
        const pool = construct(runtime)
        pool.start()
        return pool
      }),
      (pool) => Effect.sync(() => pool.close())
    )
  })
