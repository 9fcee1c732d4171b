/**
 * `npx tsx examples/tiered-buffers.ts`: reads 256 MB of records, from 100 bytes to 300 KB each, and digests them on four
 * fibers. A record borrows a buffer of the smallest tier that holds it, from the moment when its length is known until
 * it is digested. BYOB reads fill one buffer, which travels back and forth, with the chunks. However long the stream,
 * it takes only the memory of the records in flight.
 */
import { Context, Duration, Effect, Layer, Queue, Ref } from "effect"
import { BufferPool, TieredBufferPool } from "effect-pools"

const total = 256 * 1024 * 1024
const chunkSize = 64 * 1024
const workers = 4
const modulus = 1_000_003

// --- a large stream: each record is its length in four bytes, then that many bytes

class Source extends Context.Tag("example/Source")<Source, {
  /** A byte stream, for BYOB reads. */
  readonly open: Effect.Effect<ReadableStream<Uint8Array>>
  readonly records: number
  readonly bytes: number
  /** What the digests of all records add up to. */
  readonly sum: number
}>() {}

/** Most records are small, a few are large. */
const lengthOf = (record: number): number => 100 + Math.floor(300_000 * ((record * 7919 % 1000) / 1000) ** 6)

/** Writes the stream from a position on, until the room is used up. */
class Generator {
  private record = 0
  private length = lengthOf(0)
  /** In the record, its length included. */
  private at = 0
  private readonly records: number

  constructor(records: number) {
    this.records = records
  }

  /** How many bytes; none at the end. */
  write(bytes: Uint8Array): number {
    let filled = 0
    while (filled < bytes.length && this.record < this.records) {
      if (this.at < 4) {
        bytes[filled++] = this.length >>> (8 * (3 - this.at++))
        continue
      }
      const part = Math.min(bytes.length - filled, 4 + this.length - this.at)
      bytes.fill(this.record, filled, filled + part)
      filled += part
      this.at += part
      if (this.at < 4 + this.length) continue
      this.at = 0
      this.length = lengthOf(++this.record)
    }
    return filled
  }
}

const SourceLive = Layer.sync(Source, () => {
  let records = 0
  let bytes = 0
  let sum = 0
  while (bytes < total) {
    sum = (sum + (records & 255) * lengthOf(records)) % modulus
    bytes += 4 + lengthOf(records++)
  }
  const open = Effect.sync(() => {
    const generator = new Generator(records)
    return new ReadableStream({
      type: "bytes",
      pull: (controller) => {
        const { byobRequest } = controller as ReadableByteStreamController
        const view = byobRequest!.view!
        const written = generator.write(new Uint8Array(view.buffer, view.byteOffset, view.byteLength))
        if (written === 0) controller.close()
        byobRequest!.respond(written)
      }
    })
  })
  return { open, records, bytes, sum }
})

// --- the work on a record

class Digests extends Context.Tag("example/Digests")<Digests, {
  readonly add: (record: Uint8Array) => Effect.Effect<void>
  readonly summary: Effect.Effect<{ readonly records: number; readonly bytes: number; readonly sum: number }>
}>() {}

const DigestsLive = Layer.effect(
  Digests,
  Effect.map(Ref.make({ records: 0, bytes: 0, sum: 0 }), (digests) => ({
    add: (record: Uint8Array) => {
      let sum = 0
      for (const byte of record) sum = (sum + byte) % modulus
      return Ref.update(digests, (all) => ({
        records: all.records + 1,
        bytes: all.bytes + record.length,
        sum: (all.sum + sum) % modulus
      }))
    },
    summary: Ref.get(digests)
  }))
)

// --- the path of a record: read, queued, digested, its buffer returned

class Chunks extends BufferPool.Tag("example/Chunks")<Chunks>() {}

interface Assembly {
  readonly lease: BufferPool.Lease
  readonly bytes: Uint8Array
  filled: number
}

/** Cuts chunks into records, each in its own buffer. */
const cut = Effect.fnUntraced(function*(
  chunk: Uint8Array,
  state: { header: ReadonlyArray<number>; assembly: Assembly | undefined },
  queue: Queue.Queue<BufferPool.Lease>
) {
  const pool = yield* TieredBufferPool.TieredBufferPool
  let at = 0
  while (at < chunk.length) {
    if (state.assembly === undefined) {
      state.header = [...state.header, chunk[at++]!]
      if (state.header.length < 4) continue
      const lease = pool.lease(state.header.reduce((length, byte) => length * 256 + byte, 0))
      state.header = []
      state.assembly = { lease, bytes: lease.view(), filled: 0 }
    }
    const { assembly } = state
    const part = chunk.subarray(at, at + assembly.bytes.length - assembly.filled)
    assembly.bytes.set(part, assembly.filled)
    assembly.filled += part.length
    at += part.length
    if (assembly.filled < assembly.bytes.length) continue
    state.assembly = undefined
    // waits if the workers are slower than the stream
    yield* Queue.offer(queue, assembly.lease)
  }
})

const read = Effect.fnUntraced(function*(queue: Queue.Queue<BufferPool.Lease>) {
  const source = yield* Source
  const chunks = yield* Chunks
  const stream = yield* source.open
  const reader = yield* Effect.acquireRelease(
    Effect.sync(() => stream.getReader({ mode: "byob" })),
    (reader) => Effect.promise(() => reader.cancel())
  )
  const state: Parameters<typeof cut>[1] = { header: [], assembly: undefined }
  yield* Effect.addFinalizer(() => Effect.sync(() => state.assembly?.lease.release()))
  yield* chunks.use((_, lease) =>
    Effect.gen(function*() {
      let chunk = yield* Effect.promise(() => reader.read(lease.buffer))
      while (!chunk.done) {
        yield* cut(chunk.value, state, queue)
        // the buffer's memory has travelled through the stream: adopt it as the lease's buffer
        const buffer = lease.replace(chunk.value)
        chunk = yield* Effect.promise(() => reader.read(buffer))
      }
      if (chunk.value !== undefined) lease.replace(chunk.value)
    })
  )
}, Effect.scoped)

const work = Effect.fnUntraced(function*(queue: Queue.Queue<BufferPool.Lease>) {
  const digests = yield* Digests
  const one = Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      restore(Queue.take(queue)),
      (lease) => Effect.ensuring(restore(digests.add(lease.view())), Effect.sync(() => lease.release()))
    )
  )
  return yield* Effect.forever(one)
})

// --- the program

const program = Effect.gen(function*() {
  const source = yield* Source
  yield* Effect.log(`${source.records} records, ${source.bytes} bytes`)
  const queue = yield* Queue.bounded<BufferPool.Lease>(16)
  yield* Effect.replicateEffect(Effect.forkScoped(work(queue)), workers)
  const [duration] = yield* Effect.timed(
    Effect.gen(function*() {
      yield* read(queue)
      const { summary } = yield* Digests
      while ((yield* summary).records < source.records) yield* Effect.sleep("1 millis")
    })
  )

  const { bytes, records, sum } = yield* Effect.flatMap(Digests, ({ summary }) => summary)
  const seconds = Duration.toSeconds(duration)
  if (sum !== source.sum) return yield* Effect.dieMessage(`the digests add up to ${sum} instead of ${source.sum}`)
  yield* Effect.log(`${records} digested, ${Math.round(bytes / seconds / 1e6)} MB/s; their sum is as it should be`)
  const pool = yield* TieredBufferPool.TieredBufferPool
  const { all, bytes: kept, oversize, tiers } = yield* pool.stats
  for (const { bufferSize, stats } of tiers) {
    yield* Effect.log(`${bufferSize} B: ${stats.acquisitions} records in ${stats.created} buffers`)
  }
  yield* Effect.log(`${all.created} buffers made, at most ${all.peak} in use, ${oversize} records too large for any`)
  yield* Effect.log(`${kept} bytes kept; reuse ratio ${all.reuseRatio.toFixed(4)}`)
}).pipe(Effect.scoped)

const MainLive = Layer.mergeAll(
  SourceLive,
  DigestsLive,
  Chunks.layer({ bufferSize: chunkSize, maxBuffers: 1, zero: "never" }),
  TieredBufferPool.layer({
    maxBuffersPerTier: 32,
    maxBytes: 8 * 1024 * 1024,
    idleTimeToLive: "1 minute",
    zero: "never"
  })
)

await Effect.runPromise(program.pipe(Effect.provide(MainLive)))
