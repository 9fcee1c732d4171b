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

export interface Request {
  readonly url: Promise<string>
  readonly ok: () => Promise<{ readonly incomingBidirectionalStreams: ReadableStream }>
  readonly reject: (status: number) => Promise<void>
}

/** The used members of `@moq/web-transport`. */
interface Moq {
  readonly default: Parameters<typeof layerConstructor>[0]
  readonly Server: {
    readonly bind: (address: string, certPem: Buffer, keyPem: Buffer) => {
      readonly accept: () => Promise<Request | null>
    }
  }
}

// Its types are its TypeScript source. With a literal name, the compiler would check that source by our rules.
const name: string = "@moq/web-transport"

/** The native package: import this module only if there is no `http3Problem`. */
export const { default: Session, Server }: Moq = await import(name)
