/** The plain fails-components client, to test the servers and the library against. */
import * as Effect from "#test/Effect"
import type * as Scope from "#test/Scope"

export interface RawOptions {
  readonly initialSessionFlowControlWindow?: number | undefined
}

interface ClientInternals {
  readonly sessionint: {
    readonly parentobj: {
      readonly transportInt?: { readonly clientInt?: { readonly destroy: () => void } }
    }
  }
}

type Constructor = new(url: string, options: object) => WebTransport

let loaded: Promise<Constructor> | undefined

/** The client's `WebTransport`, without the 30 lines that its import prints. */
export const load = (): Promise<Constructor> => loaded ??= loadQuietly()

const loadQuietly = async (): Promise<Constructor> => {
  const { error, log } = console
  console.log = console.error = () => {}
  try {
    const { quicheLoaded, WebTransport } = await import("@fails-components/webtransport")
    await quicheLoaded
    // The server module prints later, at about the same time.
    await new Promise((resolve) => setImmediate(resolve))
    return WebTransport as unknown as Constructor
  } finally {
    console.log = log
    console.error = error
  }
}

/** Begins to connect; the caller awaits `ready`. The end of the scope destroys the session, in any state. */
export const begin = (
  url: string,
  hash: Uint8Array,
  options: RawOptions = {}
): Effect.Effect<WebTransport, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const WebTransport = await load()
      const transport = new WebTransport(url, {
        forceReliable: true,
        serverCertificateHashes: [{ algorithm: "sha-256", value: new Uint8Array(hash) }],
        ...options
      })
      transport.ready.catch(() => {})
      transport.closed.catch(() => {})
      return transport
    }),
    (transport) =>
      Effect.sync(() => {
        transport.close()
        // `close` is ignored before `ready` and leaves sockets to a peer that hangs (1.6.8).
        const { sessionint } = transport as unknown as ClientInternals
        sessionint.parentobj.transportInt?.clientInt?.destroy()
      })
  )

/** Connects; fails with the rejection of `ready`. */
export const connect = (
  url: string,
  hash: Uint8Array,
  options?: RawOptions
): Effect.Effect<WebTransport, unknown, Scope.Scope> =>
  Effect.tap(
    begin(url, hash, options),
    (transport) => Effect.tryPromise({ try: () => transport.ready, catch: (cause) => cause })
  )
