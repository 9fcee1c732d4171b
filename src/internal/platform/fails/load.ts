/** Loads `@fails-components/webtransport` (1.6.8, an optional peer of exactly this version), silently and once per process. */
import type { NativeWebTransport } from "../../../WebTransportConstructor.js"
import { whenMissing } from "./missing.js"
import type { ServerConstructor } from "./serverShape.js"

export interface Module {
  readonly WebTransport: new(url: string, options: Record<string, unknown>) => NativeWebTransport
  readonly quicheLoaded: Promise<unknown>
}

export interface ServerModule {
  readonly Http2Server: ServerConstructor
  readonly Http3Server: ServerConstructor
}

const nativePackage = "@fails-components/webtransport-transport-http3-quiche"

const isNoise = (first: unknown): boolean =>
  first === "http3 loader:" || first === "Problem loading http3-quiche transport" ||
  first === `Did you install ${nativePackage}?`

/** Without the native package, the import prints some 30 lines. This filter holds them back and lets all other lines pass. */
const filterConsole = (method: "log" | "error"): () => void => {
  const original = console[method]
  let isLoading = true
  const filter = (...args: Array<unknown>) => {
    if (!isLoading || !isNoise(args[0])) original.apply(console, args)
  }
  console[method] = filter
  return () => {
    isLoading = false
    if (console[method] === filter) console[method] = original
  }
}

/** Whether the native package, which HTTP/3 needs, is installed. */
export const hasNativePackage = (): Promise<boolean> => import(nativePackage).then(() => true, () => false)

const loadPackage = (): Promise<Module & ServerModule> =>
  (import("@fails-components/webtransport") as Promise<unknown> as Promise<Module & ServerModule>).catch(
    whenMissing(
      "WebTransport in Node needs the package @fails-components/webtransport",
      "npm install @fails-components/webtransport@1.6.8"
    )
  )

const loadQuietly = async (): Promise<Loaded> => {
  const restore = [filterConsole("log"), filterConsole("error")]
  try {
    const module = await loadPackage()
    await module.quicheLoaded
    const hasHttp3 = await hasNativePackage()
    // The library's server part may print later.
    await new Promise((resolve) => setImmediate(resolve))
    return { module, hasHttp3 }
  } finally {
    for (const undo of restore) undo()
  }
}

export interface Loaded {
  readonly module: Module & ServerModule
  /** Whether the native package, which HTTP/3 needs, is installed. */
  readonly hasHttp3: boolean
}

let loaded: Promise<Loaded> | undefined

/** Loads the library once per process. Rejects with a `WebTransportError` if it is not installed. */
export const load = (): Promise<Loaded> => loaded ??= loadQuietly()
