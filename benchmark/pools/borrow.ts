/** Borrow and return, without waiters. */
import * as Effect from "#test/Effect"
import * as Exit from "#test/Exit"
import * as Pool from "effect/Pool"
import { PoolClock } from "../../src/internal/core/clock.js"
import { PermitHolder } from "../../src/internal/core/permits/holder.js"
import { none, number, spread, table, times } from "../harness/format.js"
import { perOperation, type Run } from "../harness/measure.js"
import { type Entry, type Group, ratio, type Requirement, type Results } from "../harness/model.js"
import {
  effectLoop,
  effectPool,
  effectPoolUse,
  genericPool,
  lightningPool,
  makeItem,
  resourcePool,
  succeeded,
  tarnPool,
  trivial
} from "./peers.js"

const size = 10
const group = "borrow"

const entry = (peer: string, run: () => Run | Promise<Run>): Entry => ({
  peer,
  limit: 30,
  measure: async (settings) => perOperation(await run(), settings)
})

const ours = {
  use: "`use`, a trivial effect",
  useTimeout: "`use` with an `acquireTimeout`",
  useOnce: "`use`, the effect of the call kept and run again",
  useExit: "`use`, an `Exit`",
  useReleased: "`use` with an `onRelease` that is done",
  useReleasedBy: "`use` with an `onRelease` that is an effect",
  useValidated: "`use` with `validateAfterIdle: 0`, a `validate` that is done",
  usePermit: "`use` with a `permit` of `RedisPermits`",
  useAged: "`use` with an `idleTimeToLive`",
  useAgedPermit: "`use` with both",
  useSync: "`useSync`",
  get: "`Effect.scoped(get)`",
  acquire: "`acquire` and `release`"
}

const peers = {
  poolUse: "Effect `Pool.use`",
  pool: "Effect `Effect.scoped(Pool.get)`",
  generic: "generic-pool `use`",
  genericAcquire: "generic-pool acquire, release",
  tarn: "tarn acquire, release",
  lightning: "lightning-pool acquire, release",
  lightningAwaited: "lightning-pool acquire, awaited release",
  lightningCallback: "lightning-pool by callback"
}

const floors = {
  effectLoop: "nothing, in Effect's loop",
  promiseLoop: "a resolved promise, awaited in a loop",
  raw: "array pop and push",
  sync: "Effect `sync` with pop, try, push",
  mask: "Effect `uninterruptibleMask`, `matchCauseEffect`, pop, push",
  acquireUseRelease: "Effect `acquireUseRelease` of nothing",
  scoped: "Effect `Effect.scoped(Effect.void)`"
}

// the decision of a hook that is done at once, made once, as a hook may do
const keep = Exit.succeed("keep" as const)
const discard = Exit.succeed("discard" as const)
const valid = Exit.succeed(true)

/** What `RedisPermits` answers when an item is about to be lent. */
const lease = () => {
  const clock = new PoolClock({
    unsafeCurrentTimeMillis: () => Date.now(),
    unsafeCurrentTimeNanos: () => process.hrtime.bigint()
  })
  const holder = new PermitHolder<never>({ timeToLive: 1e9, closeTimeout: 1 }, () => {}, clock.read())
  const permit = holder.ask("borrower", clock.read(), () => {})
  holder.answered({ granted: [permit.id], wanted: 0, share: Infinity, yields: 0, again: Infinity }, clock.read())
  return { standing: (instant?: number) => holder.standing(permit, clock.read(), instant) }
}

const stack = () => Array.from({ length: size }, makeItem)

const ourEntries: ReadonlyArray<Entry> = [
  entry(ours.use, async () => {
    const pool = await resourcePool(size)
    return effectLoop(() => pool.use(() => trivial))
  }),
  entry(ours.useTimeout, async () => {
    const pool = await resourcePool(size, { acquireTimeout: "30 seconds" })
    return effectLoop(() => pool.use(() => trivial))
  }),
  entry(ours.useOnce, async () => {
    const pool = await resourcePool(size)
    const effect = pool.use(() => trivial)
    return effectLoop(() => effect)
  }),
  entry(ours.useExit, async () => {
    const pool = await resourcePool(size)
    return effectLoop(() => pool.use(() => succeeded))
  }),
  entry(ours.useReleased, async () => {
    const pool = await resourcePool(size, {
      onRelease: (_, exit) => Exit.isSuccess(exit) ? keep : discard
    })
    return effectLoop(() => pool.use(() => trivial))
  }),
  entry(ours.useReleasedBy, async () => {
    const pool = await resourcePool(size, { onRelease: () => Effect.as(trivial, "keep" as const) })
    return effectLoop(() => pool.use(() => trivial))
  }),
  entry(ours.useValidated, async () => {
    const pool = await resourcePool(size, { validateAfterIdle: 0, validate: () => valid })
    return effectLoop(() => pool.use(() => trivial))
  }),
  entry(ours.usePermit, async () => {
    const pool = await resourcePool(size, { permit: Effect.sync(lease) })
    return effectLoop(() => pool.use(() => trivial))
  }),
  entry(ours.useAged, async () => {
    const pool = await resourcePool(size, { minSize: 0, idleTimeToLive: "1 hour" })
    return effectLoop(() => pool.use(() => trivial))
  }),
  entry(ours.useAgedPermit, async () => {
    const pool = await resourcePool(size, { minSize: 0, idleTimeToLive: "1 hour", permit: Effect.sync(lease) })
    return effectLoop(() => pool.use(() => trivial))
  }),
  entry(ours.useSync, async () => {
    const pool = await resourcePool(size)
    return effectLoop(() => pool.useSync(() => 1))
  }),
  entry(ours.get, async () => {
    const pool = await resourcePool(size)
    return effectLoop(() => Effect.scoped(pool.get))
  }),
  entry(ours.acquire, async () => {
    const pool = await resourcePool(size)
    return effectLoop(() => Effect.flatMap(pool.acquire, (lease) => lease.release()))
  })
]

const scopedGet = entry(peers.pool, async () => {
  const pool = await effectPool(size)
  return effectLoop(() => Effect.scoped(Pool.get(pool)))
})

const peersOnEffect4: ReadonlyArray<Entry> = [
  entry(peers.poolUse, async () => {
    const pool = await effectPool(size)
    return effectLoop(() => effectPoolUse(pool, () => trivial))
  }),
  scopedGet
]

const peersOnEffect3: ReadonlyArray<Entry> = [
  scopedGet,
  entry(peers.generic, async () => {
    const pool = await genericPool(size)
    return async (operations) => {
      for (let i = 0; i < operations; i++) await pool.use(async () => 1)
    }
  }),
  entry(peers.genericAcquire, async () => {
    const pool = await genericPool(size)
    return async (operations) => {
      for (let i = 0; i < operations; i++) {
        const item = await pool.acquire()
        await pool.release(item)
      }
    }
  }),
  entry(peers.tarn, async () => {
    const pool = await tarnPool(size)
    return async (operations) => {
      for (let i = 0; i < operations; i++) {
        const item = await pool.acquire().promise
        pool.release(item)
      }
    }
  }),
  entry(peers.lightning, async () => {
    const pool = await lightningPool(size)
    return async (operations) => {
      for (let i = 0; i < operations; i++) {
        const item = await pool.acquire()
        pool.release(item)
      }
    }
  }),
  entry(peers.lightningAwaited, async () => {
    const pool = await lightningPool(size)
    return async (operations) => {
      for (let i = 0; i < operations; i++) {
        const item = await pool.acquire()
        await pool.releaseAsync(item)
      }
    }
  }),
  entry(peers.lightningCallback, async () => {
    const pool = await lightningPool(size)
    return (operations) => {
      for (let i = 0; i < operations; i++) pool.acquire((_, item) => pool.release(item))
    }
  })
]

const floorEntries: ReadonlyArray<Entry> = [
  entry(floors.effectLoop, () => effectLoop(() => Effect.void)),
  entry(floors.promiseLoop, () => async (operations) => {
    for (let i = 0; i < operations; i++) await Promise.resolve()
  }),
  entry(floors.raw, () => {
    const items = stack()
    return (operations) => {
      for (let i = 0; i < operations; i++) {
        const item = items.pop()!
        item.id++
        items.push(item)
      }
    }
  }),
  entry(floors.sync, () => {
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
  }),
  entry(floors.mask, () => {
    const items = stack()
    return effectLoop(() =>
      Effect.uninterruptibleMask((restore) => {
        const item = items.pop()!
        return Effect.matchCauseEffect(restore(trivial), {
          onFailure: (cause) => {
            items.push(item)
            return Exit.failCause(cause)
          },
          onSuccess: (value) => {
            items.push(item)
            return Exit.succeed(value)
          }
        })
      })
    )
  }),
  entry(
    floors.acquireUseRelease,
    () => effectLoop(() => Effect.acquireUseRelease(Effect.void, () => Effect.void, () => Effect.void))
  ),
  entry(floors.scoped, () => effectLoop(() => Effect.scoped(Effect.void)))
]

const ns = (results: Results, peer: string) => results.median(group, peer, "ns")

const report = (contestants: ReadonlyArray<string>) => (results: Results): ReadonlyArray<string> => {
  const columns = [ours.use, ours.useExit, ours.useSync, ours.get]
  const row = (peer: string) => [
    peer,
    number(ns(results, peer)),
    spread(results.get(group, peer, "ns")),
    number(results.median(group, peer, "bytes")),
    ...columns.map((own) => own === peer ? none : times(ratio(ns(results, peer), ns(results, own))))
  ]
  return [
    table(
      [
        "pool of 10, nobody waiting",
        "ns per op",
        "±",
        "bytes per op",
        "÷ `use`",
        "÷ `use`, `Exit`",
        "÷ `useSync`",
        "÷ `get`"
      ],
      contestants.map(row)
    )
  ]
}

const charts: Group["charts"] = (results) => {
  const bar = (contestant: string, peer: string) => ({
    contestant,
    isOurs: Object.values(ours).includes(peer),
    ratio: ratio(ns(results, peer), ns(results, ours.use))
  })
  return [{
    title: "Borrow and return, nobody waiting",
    subtitle: "time, in units of effect-pools' use",
    bars: [
      bar("effect-pools, useSync", ours.useSync),
      bar("effect-pools, use", ours.use),
      bar("lightning-pool, acquire and awaited release", peers.lightningAwaited),
      bar("generic-pool, use", peers.generic),
      bar("tarn, acquire and release", peers.tarn),
      bar("Effect's Pool, use", peers.poolUse),
      bar("Effect's Pool, scoped get", peers.pool)
    ]
  }]
}

/** `own` to `peer`, in two ways. */
const faster = (results: Results, own: string, peer: string) => ratio(ns(results, peer), ns(results, own))
const slower = (results: Results, own: string, peer: string) => ratio(ns(results, own), ns(results, peer))

const ofOptions = (results: Results): ReadonlyArray<Requirement> => [
  {
    what: "`use` with an `acquireTimeout` that is not needed: to one without",
    figure: slower(results, ours.useTimeout, ours.use),
    bound: { atMost: 1.05 },
    unit: "×"
  },
  {
    what: "`use` with an `onRelease` that is done: to one without",
    figure: slower(results, ours.useReleased, ours.use),
    bound: { atMost: 2.5 },
    unit: "×"
  },
  {
    what: "`use` with an `onRelease` that is an effect: to one without (a goal)",
    figure: slower(results, ours.useReleasedBy, ours.use),
    bound: { atMost: 25 },
    unit: "×"
  },
  {
    what: "`use` with `validateAfterIdle: 0` and a `validate` that is done: to one without",
    figure: slower(results, ours.useValidated, ours.use),
    bound: { atMost: 4 },
    unit: "×"
  },
  {
    what: "`use` with a `permit` of `RedisPermits`: to one without",
    figure: slower(results, ours.usePermit, ours.use),
    bound: { atMost: 1.2 },
    unit: "×"
  },
  {
    what: "`use` with a `permit` of `RedisPermits` and an `idleTimeToLive`: to one with the latter only",
    figure: slower(results, ours.useAgedPermit, ours.useAged),
    bound: { atMost: 1.1 },
    unit: "×"
  }
]

const requirementsOnEffect4 = (results: Results): ReadonlyArray<Requirement> => [
  {
    what: "`use`: faster than Effect's `Pool.use`",
    figure: faster(results, ours.use, peers.poolUse),
    bound: { atLeast: 1.3 },
    unit: "×"
  },
  {
    what: "`Effect.scoped(get)`: to Effect's",
    figure: slower(results, ours.get, peers.pool),
    bound: { atMost: 1.05 },
    unit: "×"
  },
  ...ofOptions(results)
]

const requirementsOnEffect3 = (results: Results): ReadonlyArray<Requirement> => [
  {
    what: "`use`: faster than Effect's scoped `Pool.get`",
    figure: faster(results, ours.use, peers.pool),
    bound: { atLeast: 15 },
    unit: "×"
  },
  {
    what: "`use`: to generic-pool's",
    figure: slower(results, ours.use, peers.generic),
    bound: { atMost: 1.15 },
    unit: "×"
  },
  {
    what: "`use`, an `Exit`: faster than Effect's scoped `Pool.get`",
    figure: faster(results, ours.useExit, peers.pool),
    bound: { atLeast: 30 },
    unit: "×"
  },
  {
    what: "`useSync`: faster than Effect's scoped `Pool.get`",
    figure: faster(results, ours.useSync, peers.pool),
    bound: { atLeast: 60 },
    unit: "×"
  },
  {
    what: "`use`, an `Exit`: to lightning-pool's acquire, awaited release",
    figure: slower(results, ours.useExit, peers.lightningAwaited),
    bound: { below: 1 },
    unit: "×"
  },
  {
    what: "`useSync`: to lightning-pool's acquire, awaited release",
    figure: slower(results, ours.useSync, peers.lightningAwaited),
    bound: { below: 1 },
    unit: "×"
  },
  {
    what: "`Effect.scoped(get)`: faster than Effect's",
    figure: faster(results, ours.get, peers.pool),
    bound: { atLeast: 1.4 },
    unit: "×"
  },
  ...ofOptions(results)
]

export const borrow = (effect: 3 | 4): Group => {
  const { poolUse, ...onEffect3 } = peers
  const pools = effect === 4 ? [poolUse, peers.pool] : Object.values(onEffect3)
  return {
    name: group,
    title: "Borrow and return, nobody waiting",
    charts,
    entries: () => [
      ...ourEntries,
      ...(effect === 4 ? peersOnEffect4 : peersOnEffect3),
      ...floorEntries.map((entry) => ({ ...entry, rounds: 3 }))
    ],
    report: report([...Object.values(ours), ...pools, ...Object.values(floors)]),
    requirements: effect === 4 ? requirementsOnEffect4 : requirementsOnEffect3
  }
}
