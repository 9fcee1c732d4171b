/** What all recycling pools share around their lists: the ways of lending, ageing, figures, and the end. */
import { after, areSupported, FiberFrame, isDone, push, raise } from "#effect/fiberFrame"
import { Sleeper } from "#effect/sleeper"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as Inspectable from "effect/Inspectable"
import type * as MetricLabel from "effect/MetricLabel"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import { RecyclingPoolStats } from "../../PoolStats.js"
import { Ageing, type FreeList, type RefusalReason } from "../core/recycling/freeList.js"
import { recyclingPool, register } from "../observe/poolMetrics.js"
import { dieOfProblems, type OptionChecks } from "../options/optionChecks.js"
import { decodeOne, duration } from "../options/optionTable.js"

/** What a pool is made with. */
export interface Surroundings {
  readonly clock: Clock.Clock
  readonly runtime: Runtime.Runtime<never>
  readonly hasFrames: boolean
  readonly labels: ReadonlyArray<MetricLabel.MetricLabel>
}

/** Of the lists together. The most that were out at once has to be known where there are several. */
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

/** What a throwing function does to an effect. */
const begin = <L, B, E, R>(body: (loan: L) => Effect.Effect<B, E, R>, loan: L): Effect.Effect<B, E, R> => {
  try {
    return body(loan)
  } catch (defect) {
    return Exit.die(defect)
  }
}

/** Whoever holds an item that is lent by `use` or `get`. Nobody else can give it back, so one will do for all. */
export const byScope = { holder: "use or get" }

const misuse: Record<RefusalReason, string> = {
  foreign: "something was given back that is not of this pool",
  notOut:
    "something was given back that `unsafeAcquire` had not lent: a second release, or one of what `use`, `get` or a " +
    "lease is to give back",
  stale: "a lease was used, released or discarded that had been released or discarded before"
}

/** `L` is what a borrower has to give back. */
export abstract class RecyclingPool<L> {
  readonly name: string
  protected readonly ageing: Ageing
  private readonly sleeper: Sleeper
  private readonly hasFrames: boolean
  private readonly labels: ReadonlyArray<MetricLabel.MetricLabel>
  private readonly runtime: Runtime.Runtime<never>
  private hasWarned = false
  private hideMetrics: () => void = () => undefined

  constructor(name: string, idleTimeToLive: number, { clock, hasFrames, labels, runtime }: Surroundings) {
    this.name = name
    this.hasFrames = hasFrames
    this.labels = labels
    this.runtime = runtime
    this.ageing = new Ageing({
      clock: () => clock.unsafeCurrentTimeMillis(),
      later: (run) => queueMicrotask(run),
      timeToLive: idleTimeToLive,
      wakeIn: (delay) => this.sleeper.sleep(delay)
    })
    this.sleeper = new Sleeper(
      clock,
      (effect) => Runtime.runFork(runtime, effect, { immediate: false }),
      Effect.sync(() => this.ageing.tick())
    )
  }

  /** Of the library, as the user knows it. */
  protected abstract readonly module: string

  /** Each with the tags that it is known by beside the pool's name. */
  abstract readonly lists: ReadonlyArray<readonly [FreeList<any>, tags: ReadonlyArray<readonly [string, string]>]>

  protected abstract giveBack(loan: L): void

  // --- lending

  protected lend<B, E, R>(take: () => L, body: (loan: L) => Effect.Effect<B, E, R>): Effect.Effect<B, E, R> {
    if (this.hasFrames) {
      return Effect.withFiberRuntime((fiber) => {
        const loan = take()
        const effect = begin(body, loan)
        if (isDone(effect)) return this.end(loan, effect)
        push(fiber, new Loan(fiber, this, loan))
        return effect
      })
    }
    return Effect.uninterruptibleMask((restore) => {
      const loan = take()
      const effect = begin(body, loan)
      if (isDone(effect)) return this.end(loan, effect)
      return Effect.matchCauseEffect(restore(effect), {
        onFailure: (cause) => this.end(loan, Exit.failCause(cause)),
        onSuccess: (value) => this.end(loan, Exit.succeed(value))
      })
    })
  }

  private end<B, E>(loan: L, exit: Exit.Exit<B, E>): Exit.Exit<B, E> {
    try {
      this.giveBack(loan)
      return exit
    } catch (defect) {
      return after(exit, defect)
    }
  }

  /** When a fiber comes by. */
  passed(fiber: Fiber.RuntimeFiber<unknown, unknown>, loan: L): void {
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

  /** After a failure that matters more than one of giving back, which is counted. */
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

  // --- care

  readonly prune = (maxIdle?: Duration.DurationInput | undefined): Effect.Effect<number> =>
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
      register(recyclingPool, [["pool", this.name], ...tags], this.labels, () => snapshot(this.name, [list]))
    )
    this.hideMetrics = () => hide.forEach((f) => f())
  }

  /** The first one tells where to look; the others are in the stats. */
  private readonly warnOnce = (reason: RefusalReason): void => {
    if (this.hasWarned) return
    this.hasWarned = true
    const { stack } = new Error("refused here")
    const warning = Effect.logWarning(`${misuse[reason]}. Nothing came of it; from here on such calls are only counted`)
    const annotations = {
      package: "effect-pools",
      module: this.module,
      pool: this.name,
      event: "Misuse",
      reason,
      stack
    }
    Runtime.runFork(this.runtime, Effect.annotateLogs(warning, annotations), { immediate: false })
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
    return Inspectable.format(this.toJSON())
  }

  [Inspectable.NodeInspectSymbol](): unknown {
    return this.toJSON()
  }
}

/** Gives back what a fiber was lent when it comes by. */
class Loan<L> extends FiberFrame {
  private readonly fiber: Fiber.RuntimeFiber<unknown, unknown>
  private readonly pool: RecyclingPool<L>
  private readonly loan: L

  constructor(fiber: Fiber.RuntimeFiber<unknown, unknown>, pool: RecyclingPool<L>, loan: L) {
    super()
    this.fiber = fiber
    this.pool = pool
    this.loan = loan
  }

  protected passed(): void {
    this.pool.passed(this.fiber, this.loan)
  }
}

/** What a lease of any kind may be asked: who holds it, and the words for one who does no longer. */
export const refuse = (list: FreeList<any>, reason: RefusalReason): false => {
  list.refused[reason]++
  list.onRefused?.(reason)
  return false
}

export const stale = (list: FreeList<any>, pool: string): Error => {
  refuse(list, "stale")
  return new Error(`[${pool}] this lease has been released or discarded; what it lent may be somebody else's by now`)
}

/** Options that make no sense are a defect. */
export const makePool = <P extends RecyclingPool<any>>(
  name: string,
  { problems }: OptionChecks,
  construct: (surroundings: Surroundings) => P
): Effect.Effect<P, never, Scope.Scope> =>
  Effect.gen(function*() {
    yield* dieOfProblems(name, problems)
    const clock = yield* Effect.clock
    const maker = yield* Effect.runtime<never>()
    const hasFrames = yield* areSupported
    const runtime = Runtime.make({
      context: Context.omit(Tracer.ParentSpan, Scope.Scope)(maker.context as Context.Context<any>),
      fiberRefs: maker.fiberRefs,
      runtimeFlags: RuntimeFlags.disable(maker.runtimeFlags, RuntimeFlags.Interruption)
    }) as Runtime.Runtime<never>
    const labels = FiberRefs.getOrDefault(maker.fiberRefs, FiberRef.currentMetricLabels)
    return yield* Effect.acquireRelease(
      Effect.sync(() => {
        const pool = construct({ clock, runtime, hasFrames, labels })
        pool.start()
        return pool
      }),
      (pool) => Effect.sync(() => pool.close())
    )
  })
