/** Packages that users install only if they need them. */
import { WebTransportError } from "../../../WebTransportError.js"

const isMissing = (cause: unknown): boolean =>
  (cause as { readonly code?: unknown } | undefined)?.code === "ERR_MODULE_NOT_FOUND"

/** The outcome of an import that failed: if the package is missing, an error that says what to install. */
export const whenMissing = (detail: string, advice: string) => (cause: unknown): never => {
  if (!isMissing(cause)) throw cause
  throw new WebTransportError({ reason: "Unsupported", detail, advice, cause })
}
