/**
 * The documented interfaces and the option tables agree; checked with the types, never run. If they differ, the error names
 * the options: the options that one of them lacks, and the options whose types differ.
 */
import type * as BufferPool from "effect-pools/BufferPool"
import type * as CollectionPool from "effect-pools/CollectionPool"
import type * as ObjectPool from "effect-pools/ObjectPool"
import type * as RedisPermits from "effect-pools/RedisPermits"
import type * as ResourcePool from "effect-pools/ResourcePool"
import type * as SessionPool from "effect-pools/SessionPool"
import type * as StreamPool from "effect-pools/StreamPool"
import type * as TieredBufferPool from "effect-pools/TieredBufferPool"
import type * as WebTransport from "effect-pools/WebTransport"
import type { connectOptions } from "../../src/internal/options/connectOptions.js"
import type { engineOptions } from "../../src/internal/options/engineOptions.js"
import type { Values } from "../../src/internal/options/optionConfig.js"
import type { Input } from "../../src/internal/options/optionTable.js"
import type { permitsOptions } from "../../src/internal/permits/permitsOptions.js"
import type { bufferOptions } from "../../src/internal/recycling/bufferPool.js"
import type { collectionOptions } from "../../src/internal/recycling/collectionPool.js"
import type { objectOptions } from "../../src/internal/recycling/objectPool.js"
import type { tieredOptions } from "../../src/internal/recycling/tieredBufferPool.js"
import type { configOptions, sessionOptions } from "../../src/internal/sessions/sessionOptions.js"
import type { streamOptions } from "../../src/internal/streams/streamOptions.js"

type Assignable<A, B> = [A] extends [B] ? true : false

/** The options that only one of the two has, or whose types differ. */
type Difference<A, B> =
  | Exclude<keyof A, keyof B>
  | Exclude<keyof B, keyof A>
  | {
    [K in keyof A & keyof B]: [Assignable<Pick<A, K>, Pick<B, K>>, Assignable<Pick<B, K>, Pick<A, K>>] extends
      [true, true] ? never : K
  }[keyof A & keyof B]

declare const none: <Differing extends PropertyKey>(differences: Record<Differing, "differs">) => void

none<Difference<Input<typeof engineOptions>, ResourcePool.Options<any, any, any>>>({})

/** Of these two, a pool has exactly one. */
interface Address {
  readonly url?: SessionPool.UrlOptions<any, any>["url"] | undefined
  readonly endpoints?: SessionPool.EndpointsOptions<any, any>["endpoints"] | undefined
}

// the session checks the connect options that a session pool does not check
none<
  Difference<
    Omit<Input<typeof sessionOptions>, "connect">,
    Omit<SessionPool.CommonOptions<any, any>, "connect"> & Address
  >
>({})
none<
  Difference<Input<typeof connectOptions>, Pick<WebTransport.ConnectOptions<any, any>, keyof typeof connectOptions>>
>({})
none<Difference<Input<typeof streamOptions>, StreamPool.Options<any, any>>>({})

none<Difference<Input<typeof permitsOptions>, RedisPermits.Options>>({})

none<Difference<Input<typeof objectOptions>, ObjectPool.Options<any>>>({})
none<Difference<Input<typeof bufferOptions>, BufferPool.Options>>({})
none<Difference<Input<typeof tieredOptions>, TieredBufferPool.Options>>({})
none<Difference<Input<typeof collectionOptions>, CollectionPool.Options>>({})

// a Config has keys for options of its pool alone
none<Exclude<keyof Values<typeof configOptions>, keyof SessionPool.ConfigOptions>>({})
none<Exclude<keyof Values<typeof streamOptions>, keyof StreamPool.ConfigOptions>>({})
none<Exclude<keyof SessionPool.ConfigOptions, keyof typeof configOptions>>({})
none<Exclude<keyof StreamPool.ConfigOptions, keyof typeof streamOptions>>({})
