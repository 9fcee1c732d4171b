import * as ConfigProvider from "effect/ConfigProvider"
import * as Layer from "effect/Layer"

export * from "effect/Layer"

export {
  effect as scoped,
  effectDiscard as scopedDiscard,
  unwrap as unwrapEffect,
  unwrap as unwrapScoped
} from "effect/Layer"

export const setConfigProvider = (provider: ConfigProvider.ConfigProvider): Layer.Layer<never> =>
  Layer.succeed(ConfigProvider.ConfigProvider, provider)
