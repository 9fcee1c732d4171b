/** Two connections to Redis: one calls the script, the other one hears the news. */
import type { Redis } from "ioredis"
import { type Reason, RedisPermitsError } from "../../RedisPermitsError.js"
import type { Answer, Report } from "../core/permits/exchange.js"
import { script } from "./script.js"

export interface StoreSettings {
  readonly url: string
  readonly key: string
  readonly limit: number
  readonly timeToLive: number
}

export interface StoreListener {
  /** A permit is reserved for this process, or Redis can be reached again. */
  readonly called: () => void
  readonly othersWait: () => void
}

export interface StoreAnswer extends Answer {
  /** The lowest limit of all processes. */
  readonly limit: number
  /** Redis does not remember the last answer, or this is the first one. */
  readonly isNew: boolean
  /** For so many milliseconds nothing is granted. */
  readonly quiet: number
}

type Called = readonly [
  epoch: string,
  granted: string,
  wanted: number,
  share: number,
  yields: number,
  again: number,
  limit: number,
  quiet: number
]

interface Client extends Redis {
  readonly askPermits: (...args: ReadonlyArray<string | number>) => Promise<Called>
}

const isMissing = (cause: unknown): boolean =>
  (cause as { readonly code?: unknown } | undefined)?.code === "ERR_MODULE_NOT_FOUND"

/** Imported on demand: only this module needs the package. */
export const loadClient = (): Promise<typeof Redis> =>
  import("ioredis").then(({ Redis }) => Redis, (cause: unknown) => {
    if (!isMissing(cause)) throw cause
    throw new RedisPermitsError({ reason: "Unsupported", detail: "RedisPermits needs the package ioredis", cause })
  })

const parts = ["leases", "held", "limits", "asks", "queue", "reserved", "turns", "facts"]

/** What to do about an answer that is no matter of rights. */
const adviceFor = (answer: string, key: string): string | undefined => {
  if (/\bWRONGTYPE\b/.test(answer)) {
    return `another program uses a key that begins with {${key}}:, which therefore holds something else; choose ` +
      "another `key`, or delete that one"
  }
  if (/\bOOM\b/.test(answer)) return "give Redis more memory (maxmemory), or store less there"
  if (/\bREADONLY\b/.test(answer)) return "this Redis is a replica: let the URL name the primary"
  return /\bLOADING\b/.test(answer) ? "this Redis is starting: it answers when it has loaded its data" : undefined
}

export class RedisStore {
  private readonly settings: StoreSettings
  /** Names this process in Redis. */
  private readonly process = crypto.randomUUID()
  private readonly host: string
  private readonly keys: ReadonlyArray<string>
  private readonly channel: string
  private readonly client: Client
  private readonly ear: Redis
  private readonly patience: number
  private epoch = ""
  /** The commands so far. */
  commands = 0
  private underWay: Promise<unknown> = Promise.resolve()
  /** Why there is no connection. */
  private trouble: unknown = undefined

  constructor(RedisClient: typeof Redis, settings: StoreSettings, { called, othersWait }: StoreListener) {
    const { key, timeToLive, url } = settings
    this.settings = settings
    this.host = new URL(url).host
    this.keys = parts.map((part) => `{${key}}:${part}`)
    this.channel = `{${key}}:news`
    this.patience = Math.ceil(timeToLive / 9)
    const connection = {
      connectTimeout: this.patience,
      retryStrategy: (times: number) => Math.min(times * 50, 1_000)
    }
    const client = new RedisClient(url, {
      ...connection,
      // a command that is not answered is not sent again: the next one tells the state of then
      commandTimeout: this.patience,
      socketTimeout: this.patience,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false
    }) as Client
    this.client = client
    this.ear = new RedisClient(url, { ...connection, maxRetriesPerRequest: null })
    client.defineCommand("askPermits", { numberOfKeys: parts.length, lua: script })
    client.on("error", (cause) => this.trouble = cause)
    client.on("ready", () => {
      this.trouble = undefined
      called()
    })
    // without news the process asks in intervals
    this.ear.on("error", () => undefined)
    this.ear.subscribe(this.channel, `${this.channel}:${this.process}`).catch(() => undefined)
    this.ear.on("message", (channel) => channel === this.channel ? othersWait() : called())
  }

  /** Rejects with a `RedisPermitsError`. */
  ask({ asks, held, spare }: Report): Promise<StoreAnswer> {
    const { limit, timeToLive } = this.settings
    const state = [held, asks.join(","), spare.join(",")]
    const args = [this.process, limit, timeToLive, ...state, this.epoch, this.channel, ++this.commands]
    const answer = this.client.askPermits(...this.keys, ...args).then(
      (called) => this.read(called),
      (cause: unknown) => Promise.reject(this.failureOf(cause))
    )
    this.underWay = answer.catch(() => undefined)
    return answer
  }

  private read([epoch, granted, wanted, share, yields, again, limit, quiet]: Called): StoreAnswer {
    const isNew = this.epoch !== epoch
    this.epoch = epoch
    return {
      granted: granted === "" ? [] : granted.split(",").map(Number),
      wanted,
      share,
      yields,
      again: again < 0 ? Infinity : again,
      limit,
      isNew,
      quiet
    }
  }

  failure(reason: Reason, what: string, cause?: unknown, advice?: string): RedisPermitsError {
    return new RedisPermitsError({ reason, detail: `Redis at ${this.host} ${what}`, advice, cause })
  }

  private failureOf(cause: unknown): RedisPermitsError {
    // the client refuses to send a command again
    const isCut = (error: unknown) => (error as Error | undefined)?.name === "MaxRetriesPerRequestError"
    if (isCut(this.trouble ?? cause)) {
      return this.failure("Unreachable", "closed the connection, or does not answer", cause)
    }
    const { message, name } = (this.trouble ?? cause) as Error
    if (name === "ReplyError") {
      return this.failure("Refused", `answered: ${message}`, cause, adviceFor(message, this.settings.key))
    }
    if (this.trouble !== undefined) return this.failure("Unreachable", `cannot be reached: ${message}`, this.trouble)
    return message === "Command timed out"
      ? this.failure("Unreachable", `did not answer within ${this.patience} ms`, cause)
      : this.failure("Unreachable", `closed the connection: ${message}`, cause)
  }

  /** Waits for the answer that is under way, but not for long. */
  close(): Promise<void> {
    const enough = new Promise((resolve) => setTimeout(resolve, 1_000).unref())
    return Promise.race([this.underWay, enough]).then(() => {
      this.client.disconnect()
      this.ear.disconnect()
    })
  }
}
