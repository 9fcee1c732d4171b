/** Objects that are borrowed and returned in plain code, and in Effect. */
import * as Effect from "effect/Effect"
import * as ObjectPool from "../../src/ObjectPool.js"
import { none, number, spread, table, times } from "../harness/format.js"
import { perOperation, type Run } from "../harness/measure.js"
import { type Entry, type Group, ratio, type Results } from "../harness/model.js"
import { effectLoop, type Item, makeItem, open, trivial } from "../pools/peers.js"
import { makeHeavy, memPool, objectPool, reusifyPool, size, useHeavy } from "./peers.js"

const group = "objects"

const entry = (peer: string, run: () => Run | Promise<Run>): Entry => ({
  peer,
  limit: 30,
  measure: async (settings) => perOperation(await run(), settings)
})

const plain = {
  bare: "array pop and push",
  unsafe: "`unsafeAcquire` and `unsafeRelease`",
  lease: "`lease` and `release`",
  ageing: "`unsafeAcquire` and `unsafeRelease`, with `idleTimeToLive`",
  reset: "`unsafeAcquire` and `unsafeRelease`, with `reset` and `validate`",
  reusify: "reusify get and release",
  malloc: "@thi.ng/malloc malloc and free, 64 bytes",
  made: "a new object"
}

const effects = {
  loop: "nothing, in Effect's loop",
  sync: "Effect `sync` with pop, try, push",
  alone: "the same, where no other effects have run",
  useSync: "`useSync`",
  use: "`use`, a trivial effect"
}

const heavy = {
  made: "a new heavy object",
  pooled: "the same, `unsafeAcquire` and `unsafeRelease`",
  reset: "the same, with a `reset` of what was used"
}

const stack = () => Array.from({ length: size }, makeItem)

const pooled = (pool: ObjectPool.Service<Item>): Run => (operations) => {
  for (let i = 0; i < operations; i++) {
    const item = pool.unsafeAcquire()
    item.id++
    pool.unsafeRelease(item)
  }
}

/** A place where the compiler cannot see that a value is unused. */
const sink: { last: unknown } = { last: undefined }

const plainEntries: ReadonlyArray<Entry> = [
  entry(plain.bare, () => {
    const items = stack()
    return (operations) => {
      for (let i = 0; i < operations; i++) {
        const item = items.pop()!
        item.id++
        items.push(item)
      }
    }
  }),
  entry(plain.unsafe, async () => pooled(await objectPool())),
  entry(plain.lease, async () => {
    const pool = await objectPool()
    return (operations) => {
      for (let i = 0; i < operations; i++) {
        const lease = pool.lease()
        lease.value.id++
        lease.release()
      }
    }
  }),
  entry(
    plain.ageing,
    async () => pooled(await open(ObjectPool.make({ factory: makeItem, minSize: size, idleTimeToLive: "1 minute" })))
  ),
  entry(plain.reset, async () => {
    const reset = (item: Item) => {
      item.id = 0
    }
    return pooled(
      await open(ObjectPool.make({ factory: makeItem, minSize: size, reset, validate: (item) => item.id === 0 }))
    )
  }),
  entry(plain.reusify, () => {
    const pool = reusifyPool()
    return (operations) => {
      for (let i = 0; i < operations; i++) {
        const item = pool.get()
        item.id++
        pool.release(item)
      }
    }
  }),
  entry(plain.malloc, () => {
    const pool = memPool(1024 * 1024)
    return (operations) => {
      for (let i = 0; i < operations; i++) pool.free(pool.malloc(64))
    }
  }),
  entry(plain.made, () => (operations) => {
    for (let i = 0; i < operations; i++) sink.last = makeItem()
  })
]

const sync = (): Run => {
  const items = stack()
  return effectLoop(() =>
    Effect.sync(() => {
      const item = items.pop()!
      try {
        return item.id++
      } finally {
        items.push(item)
      }
    })
  )
}

/**
 * V8 compiles Effect's loop for the effects that it has seen. Making a pool runs more than one kind of effect, as every
 * program does. So the contestants that are compared with a pool have made a pool, too.
 */
const seasoned = async (run: () => Run): Promise<Run> => {
  await objectPool()
  return run()
}

const effectEntries: ReadonlyArray<Entry> = [
  entry(effects.loop, () => seasoned(() => effectLoop(() => Effect.void))),
  entry(effects.sync, () => seasoned(sync)),
  entry(effects.alone, sync),
  entry(effects.useSync, async () => {
    const pool = await objectPool()
    return effectLoop(() => pool.useSync((item) => item.id++))
  }),
  entry(effects.use, async () => {
    const pool = await objectPool()
    return effectLoop(() => pool.use(() => trivial))
  })
]

const heavyLoop = async (options: Partial<ObjectPool.Options<ReturnType<typeof makeHeavy>>>): Promise<Run> => {
  const pool = await open(ObjectPool.make({ factory: makeHeavy, minSize: size, ...options }))
  return (operations) => {
    for (let i = 0; i < operations; i++) {
      const heavy = pool.unsafeAcquire()
      useHeavy(heavy)
      pool.unsafeRelease(heavy)
    }
  }
}

const heavyEntries: ReadonlyArray<Entry> = [
  entry(heavy.made, () => (operations) => {
    for (let i = 0; i < operations; i++) {
      const made = makeHeavy()
      useHeavy(made)
      sink.last = made
    }
  }),
  entry(heavy.pooled, () => heavyLoop({})),
  entry(heavy.reset, () =>
    heavyLoop({
      reset: (heavy) => {
        heavy.numbers[0] = 0
        if (heavy.index.size > 0) heavy.index.clear()
        heavy.list.length = 0
      }
    }))
]

const ns = (results: Results, peer: string) => results.median(group, peer, "ns")

const report = (results: Results): ReadonlyArray<string> => {
  const rows = (names: Record<string, string>, base: string) =>
    Object.values(names).map((peer) => [
      peer,
      number(ns(results, peer)),
      spread(results.get(group, peer, "ns")),
      number(results.median(group, peer, "bytes")),
      peer === base ? none : times(ratio(ns(results, peer), ns(results, base)))
    ])
  const head = (title: string, base: string) => [title, "ns per op", "±", "bytes per op", `÷ ${base}`]
  return [
    table(head("plain code", plain.bare), rows(plain, plain.bare)),
    table(head("in Effect", effects.sync), rows(effects, effects.sync)),
    table(head("a `Float64Array(512)`, a `Map`, an array", heavy.pooled), rows(heavy, heavy.pooled))
  ]
}

export const objects: Group = {
  name: group,
  title: "Objects",
  entries: () => [...plainEntries, ...effectEntries, ...heavyEntries],
  report,
  requirements: (results) => [
    {
      what: "object, unsafe: to a bare array's pop and push",
      figure: ratio(ns(results, plain.unsafe), ns(results, plain.bare)),
      bound: { atMost: 3 },
      unit: "×"
    },
    {
      what: "`useSync`: to `Effect.sync` around pop, try, finally, push",
      figure: ratio(ns(results, effects.useSync), ns(results, effects.sync)),
      bound: { atMost: 1.5 },
      unit: "×"
    },
    {
      what: "heavy object: faster than making it",
      figure: ratio(ns(results, heavy.made), ns(results, heavy.pooled)),
      bound: { atLeast: 100 },
      unit: "×"
    }
  ]
}
