/** The native package of HTTP/3, for its client, and for `NodeWebTransportServer`. */
import type { layerConstructor } from "effect-pools/WebTransport"

// The package (0.1.4) needs `Promise.withResolvers`; Node 20 does not have it.
const polyfill = {
  withResolvers: () => {
    let resolve, reject
    const promise = new Promise((resolvePromise, rejectPromise) => {
      resolve = resolvePromise
      reject = rejectPromise
    })
    return { promise, resolve, reject }
  }
}
if (!("withResolvers" in Promise)) Object.assign(Promise, polyfill)

interface Moq {
  readonly default: Parameters<typeof layerConstructor>[0]
}

// Its types are its TypeScript source. With a literal name, the compiler would check that source by our rules.
const name: string = "@moq/web-transport"

/** The native package: import this module only if there is no `http3Problem`. */
export const { default: Session }: Moq = await import(name)
