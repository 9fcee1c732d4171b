/** The log lines of `RedisPermits`. */
import * as Effect from "effect/Effect"
import { annotated, type Details, type LogEvent } from "./poolLog.js"
import { showMillis } from "./poolTexts.js"

export class PermitsLog {
  private readonly origin: { readonly module: string; readonly pool: string }
  private readonly run: (effect: Effect.Effect<void>) => void

  constructor(pool: string, run: (effect: Effect.Effect<void>) => void) {
    this.origin = { module: "RedisPermits", pool }
    this.run = run
  }

  /** Once, until Redis answers again. */
  failing(failure: { readonly message: string }): void {
    this.warn(`Redis does not tell of permits; items live until their permits end: ${failure.message}`, "RedisFailing")
  }

  back(): void {
    this.write(Effect.logInfo("Redis answers again"), "RedisBack", {})
  }

  forgotten(quiet: number): void {
    const message = `Redis has just started, or lost its memory; it grants no permits for ${showMillis(quiet)}`
    this.warn(message, "RedisEmpty", { quiet: Math.round(quiet) })
  }

  limitsDiffer(own: number, lowest: number): void {
    const message = `another process has the limit ${lowest}, this one ${own}: the lower one counts`
    this.warn(message, "LimitsDiffer", { own, lowest })
  }

  private warn(message: string, event: LogEvent, details: Details = {}): void {
    this.write(Effect.logWarning(message), event, details)
  }

  private write(line: Effect.Effect<void>, event: LogEvent, details: Details): void {
    this.run(annotated(line, this.origin, event, details))
  }
}
