/** The name of its class or type, and nothing of what is in it. */
export const kindOf = (u: unknown): string =>
  typeof u === "object" && u !== null ? u.constructor?.name ?? "object" : typeof u

/** Whether it is a `Uint8Array`, of another realm, too (a `Buffer`, where tests run in a context of their own). */
export const isBytes = (u: unknown): u is Uint8Array =>
  ArrayBuffer.isView(u) && (u as { readonly BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT === 1

/** Says what it was, and nothing of what was in it. */
export const notBytes = (what: string, u: unknown): TypeError =>
  new TypeError(`${what} must be a Uint8Array, but was of type ${kindOf(u)}`)
