import * as ConfigProvider from "effect/ConfigProvider"

export * from "effect/ConfigProvider"

/** The words of a path are always joined by underscores. */
export const fromMap = (
  map: ReadonlyMap<string, string>,
  _options?: { readonly pathDelim: "_" }
): ConfigProvider.ConfigProvider => ConfigProvider.fromEnvRecord(Object.fromEntries(map))

export { fromUnknown as fromJson } from "effect/ConfigProvider"
