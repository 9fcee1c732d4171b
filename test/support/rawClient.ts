/** The plain fails-components client, to test the servers and the library against. */
import * as Effect from "#test/Effect"
import type * as Scope from "#test/Scope"
import { load as loadLibrary } from "../../src/internal/platform/fails/load.js"

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

/** The client's `WebTransport`. */
export const load = async (): Promise<Constructor> =>
  (await loadLibrary()).module.WebTransport as unknown as Constructor

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
