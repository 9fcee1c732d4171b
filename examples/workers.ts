/**
 * `npx tsx examples/workers.ts`: jobs for the processor on pooled threads, of `node:worker_threads` alone, then as
 * `Worker`s of `@effect/platform`. A thread dies in the middle of a job, and a job never ends. `examples/workers/` has the
 * threads.
 */
import { Worker } from "@effect/platform"
import { NodeWorker } from "@effect/platform-node"
import { Console, Deferred, Effect, Exit, Logger, LogLevel, type Scope } from "effect"
import { ResourcePool } from "effect-pools"
import { once } from "node:events"
import { Worker as Thread } from "node:worker_threads"

export type Job =
  | { readonly _tag: "Sum"; readonly upTo: number }
  /** The thread dies. */
  | { readonly _tag: "Die" }
  /** The job never ends. */
  | { readonly _tag: "Hang" }

/** What the pools lend. */
interface Pooled {
  readonly run: (job: Job) => Effect.Effect<number, Error>
  /** Completes when the thread is dead. */
  readonly gone: Deferred.Deferred<void>
}

const start = (file: string, gone: Deferred.Deferred<void>) =>
  new Thread(new URL(`./workers/${file}`, import.meta.url))
    // without a listener, an error that the thread does not catch would end this process
    .on("error", () => {})
    .on("exit", () => Effect.runFork(Deferred.succeed(gone, undefined)))

/** Fails when the thread dies: a dead thread answers nothing. */
const orDeath = (gone: Deferred.Deferred<void>) =>
  Effect.raceFirst(Effect.andThen(Deferred.await(gone), Effect.fail(new Error("the thread has died"))))

/** A thread that answers one job after the other. */
const plainThread = Effect.gen(function*() {
  const gone = yield* Deferred.make<void>()
  const thread = yield* Effect.acquireRelease(
    Effect.sync(() => start("thread.js", gone)),
    (thread) => Effect.promise(() => thread.terminate())
  )
  const run = (job: Job) =>
    Effect.tryPromise({
      try: (signal) => {
        const answer = once(thread, "message", { signal })
        thread.postMessage(job)
        return answer
      },
      catch: (cause) => cause as Error
    }).pipe(
      Effect.map(([sum]) => sum as number),
      orDeath(gone)
    )
  // an item is ready for work: a thread that does not start is a failed creation
  yield* run({ _tag: "Sum", upTo: 0 })
  return { run, gone }
})

/**
 * A `Worker` of `@effect/platform`. By itself it would start another thread a second after its thread died, and let jobs
 * wait until then; in a pool the item is closed instead, and jobs go to other threads.
 */
const effectWorker = Effect.gen(function*() {
  const gone = yield* Deferred.make<void>()
  const manager = yield* Worker.WorkerManager
  let thread: Thread | undefined
  const worker = yield* manager.spawn<Job, number, never>({}).pipe(
    Effect.provideService(Worker.Spawner, () => thread = start("runner.js", gone)),
    // the pool tells of the death
    Logger.withMinimumLogLevel(LogLevel.Error)
  )
  // runs first: a thread that hears nothing would have 5 seconds to end by itself
  yield* Effect.addFinalizer(() => Effect.promise(() => thread!.terminate()))
  // a `Worker` that is closed interrupts those who wait for it, which looks as if they had given up
  return { run: (job: Job) => worker.executeEffect(job).pipe(orDeath(gone)), gone }
}).pipe(Effect.provide(NodeWorker.layerManager))

const makePool = <E>(acquire: Effect.Effect<Pooled, E, Scope.Scope>) =>
  ResourcePool.make({
    name: "threads",
    acquire,
    minSize: 2,
    maxSize: 2,
    lost: ({ gone }) => Deferred.await(gone),
    // the thread still works for a borrower that gave up, and hears nothing until it is done
    onRelease: (_, exit) => Effect.succeed(Exit.isInterrupted(exit) ? "discard" : "keep")
  })

const sum = (upTo: number): Job => ({ _tag: "Sum", upTo })

const trial = <E>(name: string, acquire: Effect.Effect<Pooled, E, Scope.Scope>) =>
  Effect.gen(function*() {
    const pool = yield* makePool(acquire)
    const run = (job: Job) => pool.use((thread) => thread.run(job))

    // each thread gets one of the first jobs; the pool warns of items that die before they served anybody
    yield* pool.awaitStats(({ idle }) => idle === 2)
    const sums = yield* Effect.forEach([1, 10, 100, 1_000, 10_000], (n) => run(sum(n)), { concurrency: "unbounded" })
    yield* Console.log(`${name}: ${sums.join(", ")}`)

    const jobs = Array.from({ length: 10 }, (_, i): Job => i === 3 ? { _tag: "Die" } : sum(1_000_000))
    const done = yield* Effect.forEach(jobs, (job) => Effect.isSuccess(run(job)), { concurrency: "unbounded" })
    yield* pool.awaitStats(({ destroyed }) => destroyed.lost === 1)
    yield* Console.log(
      `a thread dies in the middle: job ${done.indexOf(false)} fails, ${done.filter(Boolean).length} are done`
    )

    const late = yield* Effect.timeoutOption(run({ _tag: "Hang" }), "200 millis")
    const { destroyed } = yield* pool.awaitStats(({ destroyed }) => destroyed.discarded === 1)
    yield* Console.log(`a job without end: ${late._tag}, and ${destroyed.discarded} thread is ended`)
    yield* Console.log(`the next job: ${yield* run(sum(3))}`)
  }).pipe(Effect.scoped)

const program = Effect.andThen(
  trial("threads", plainThread),
  trial("Workers of @effect/platform", effectWorker)
)

await Effect.runPromise(program)
