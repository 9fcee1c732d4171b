/** Exports metrics for scraping; and metrics, spans and logs to a collector, if there is one. */
import * as Metrics from "@effect/opentelemetry/Metrics"
import * as Otlp from "@effect/opentelemetry/Otlp"
import * as Resource from "@effect/opentelemetry/Resource"
import { FetchHttpClient } from "@effect/platform"
import { PrometheusExporter } from "@opentelemetry/exporter-prometheus"
import type { MetricReader } from "@opentelemetry/sdk-metrics"
import { Config, Effect, Layer, Option } from "effect"

const resource = { serviceName: "effect-pools-example" }

/** `METRICS_PORT`; the default is the usual port of such exporters. */
export const metricsPort = Config.port("METRICS_PORT").pipe(Config.withDefault(9464))

const PrometheusLive = Layer.unwrapEffect(Effect.map(metricsPort, (port) =>
  Metrics.layer(() =>
    // the exporter brings its own copy of the SDK, so its class differs from `MetricReader`
    new PrometheusExporter({ host: "127.0.0.1", port, withoutScopeInfo: true }) as object as MetricReader
  ))).pipe(Layer.provide(Resource.layer(resource)))

/** `OTEL_EXPORTER_OTLP_ENDPOINT`, OpenTelemetry's variable. Without it the program sends nothing, and creates no spans. */
const CollectorLive = Layer.unwrapEffect(Effect.map(
  Config.option(Config.string("OTEL_EXPORTER_OTLP_ENDPOINT")),
  Option.match({
    onNone: () => Layer.empty,
    onSome: (baseUrl) => Layer.provide(Otlp.layerJson({ baseUrl, resource }), FetchHttpClient.layer)
  })
))

export const TelemetryLive = Layer.merge(PrometheusLive, CollectorLive)
