/**
 * A real WebTransport server on loopback, in its own process, which tests can kill, stop and restart.
 *
 * Its behaviour depends on the path of the session:
 *
 * | path | behaviour |
 * |---|---|
 * | `/echo?ms=0` | echoes each bidirectional stream, chunks after `ms`, FIN after FIN; echoes datagrams |
 * | `/echo?uni=1` | also answers each unidirectional stream on another one with the same bytes |
 * | `/picky` | echoes each chunk, except chunks that begin with `-`, which it never answers |
 * | `/close?code=0&reason=&afterMs=0` | closes the session once it is established |
 * | `/silent` | accepts streams and reads them, never answers |
 * | `/deaf` | accepts streams and never reads them |
 * | `/fin` | FINs each stream at once |
 * | `/reset?code=42` | resets each stream after its first bytes |
 * | `/stop?code=42` | asks to stop sending on each stream after its first bytes |
 * | `/unsolicited?when=accept&text=unsolicited` | sends `text` at once on each stream, then echoes |
 * | `/unsolicited?when=first&afterMs=0` | echoes the first chunk, sends `text` after `afterMs`, goes on echoing |
 * | `/twice?ms=0` | echoes each chunk twice, the second time `ms` later (0: right behind) |
 * | `/slow?ms=2000` | accepts the session after `ms`, then echoes |
 * | `/never` | never answers the CONNECT |
 * | `/refuse?status=405` | answers the CONNECT with that status |
 * | `/sink` | reads each stream to its FIN, then answers `{"bytes":n,"sha256":"hex"}` and FINs |
 * | `/framed?ids=0&batch=0` | answers messages: see `framed.ts` |
 * | `/served?ids=1` | serves streams with this library: see `served.ts` |
 * | `/oneway` | judges what comes on each stream, and answers nothing: see `oneWay.ts` |
 * | `/source/<n>` | sends n bytes of `pattern` on each stream, then FINs |
 *
 * With `creditBatch=n`, over HTTP/2 and on any path, the credit for ended streams comes back n at a time. Any other path is
 * 404. The server reads every session's unidirectional streams to the end and records them. It ignores further parameters,
 * so `/echo?test=1` gets its own counts on a shared server.
 *
 * Vitest's config loads this file, too, for tests in the browser: it knows no major of Effect.
 */
import * as Effect from "#test/Effect"
import type * as Scope from "#test/Scope"
import { createInterface } from "node:readline"
import { setTimeout as delay } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { bundle } from "./bundle.js"
import type { Certificate } from "./certificate.js"
import { makeCertificate } from "./certificate.js"
import { deadPort as findDeadPort } from "./ports.js"
import * as Processes from "./processes.js"
import type * as Protocol from "./protocol.js"
import { noCounts } from "./protocol.js"

export type { Received, Stats } from "./protocol.js"

export interface Service {
  /** The id of the current process: another id after `restart`. */
  readonly pid: number
  readonly port: number
  /** `https://127.0.0.1:port` and the path, which starts with a slash. */
  readonly url: (path: string) => string
  /** The same on a port that accepts TCP and never sends a byte. */
  readonly silentUrl: (path: string) => string
  /** SHA-256 of the certificate; the same after `restart`. */
  readonly hash: Uint8Array<ArrayBuffer>
  readonly hashHex: string
  /** PEM, for clients that trust a certificate authority instead of a hash. */
  readonly cert: string
  /** SIGKILL, then the end of the process. Does nothing if it is dead. */
  readonly kill: Effect.Effect<void>
  /** SIGSTOP: the peer hangs. Completes when the process has stopped. */
  readonly stop: Effect.Effect<void>
  /** SIGCONT */
  readonly resume: Effect.Effect<void>
  /** Kills the process if it lives, and starts another on the same ports with the same certificate. Counts start at 0. */
  readonly restart: Effect.Effect<void>
  readonly stats: Effect.Effect<Protocol.Stats>
  /** The counts of one path; zeros without requests. */
  readonly statsOf: (path: string) => Effect.Effect<Protocol.PathStats>
  /** Waits until the counts satisfy `predicate`: the server sees events a little later than the client. */
  readonly until: (predicate: (stats: Protocol.Stats) => boolean) => Effect.Effect<Protocol.Stats>
  /** Dies if the server is dead or refuses; waits while it is stopped. */
  readonly command: <C extends Protocol.Command>(
    command: C,
    ...input: {} extends Protocol.Input<C> ? [input?: Protocol.Input<C>] : [input: Protocol.Input<C>]
  ) => Effect.Effect<Protocol.Output<C>>
  /** The output of the process, and of the processes before it, on stderr: nothing, if all went well. */
  readonly stderr: Effect.Effect<string>
}

export interface Options {
  /** `http2` if absent. `http3` needs a machine without an `http3Problem`; its streams have no limits to set. */
  readonly protocol?: Protocol.ServerOptions["protocol"]
  /** How many bidirectional streams a session grants. Default: 1,000,000. */
  readonly initialBidirectionalStreams?: number | undefined
  readonly initialUnidirectionalStreams?: number | undefined
}

/** Starts a server. The end of the scope kills it, also when it is stopped. */
export const start = (options: Options = {}): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.gen(function*() {
    const certificate = yield* sharedCertificate
    const server = yield* Effect.acquireRelease(
      Effect.sync(() => new Handle(options, certificate)),
      (server) => server.kill
    )
    yield* server.start
    return server
  })

/** A port on 127.0.0.1 without a listener. */
export const deadPort: Effect.Effect<number> = Effect.promise(findDeadPort)

// -----------------------------------------------------------------------------

let bundled: Promise<string> | undefined
const main = Effect.promise(() => bundled ??= bundle(fileURLToPath(new URL("./server.ts", import.meta.url))))
const readyWithin = 100_000
const pollEvery = 5

let certificate: Promise<Certificate> | undefined
const sharedCertificate = Effect.promise(() => certificate ??= makeCertificate())

/** Servers are real, also under the TestClock. */
const sleep = (millis: number) => Effect.promise(() => delay(millis))

interface Pending {
  readonly resolve: (output: any) => void
  readonly reject: (cause: Error) => void
}

class Handle implements Service {
  readonly options: Options
  readonly hash: Uint8Array<ArrayBuffer>
  readonly hashHex: string
  readonly cert: string
  private readonly key: string
  private running: Processes.Running | undefined
  private ready: Protocol.Ready | undefined
  private nextId = 0
  private pending = new Map<number, Pending>()
  private errors = ""

  constructor(options: Options, certificate: Certificate) {
    this.options = options
    this.hash = certificate.hash
    this.hashHex = certificate.hashHex
    this.cert = certificate.cert
    this.key = certificate.key
  }

  get pid(): number {
    return this.running!.pid
  }

  get port(): number {
    return this.ready!.port
  }

  url = (path: string) => `https://127.0.0.1:${this.port}${path}`

  silentUrl = (path: string) => `https://127.0.0.1:${this.ready!.silentPort}${path}`

  start = Effect.flatMap(main, (main) => this.run(main))

  private readonly run = (main: string) =>
    Effect.promise(() =>
      new Promise<void>((resolve, reject) => {
        const options: Protocol.ServerOptions = {
          ...this.options,
          port: this.ready?.port,
          silentPort: this.ready?.silentPort,
          cert: this.cert,
          key: this.key
        }
        const running = Processes.run(main, [JSON.stringify(options)])
        const pending = new Map<number, Pending>()
        this.running = running
        this.pending = pending
        const { child } = running
        const fail = (why: string) => reject(new Error(`the test server ${why}\n${this.errors}`))
        const timer = setTimeout(() => fail(`was not ready within ${readyWithin} ms`), readyWithin)
        child.stderr.setEncoding("utf8").on("data", (text: string) => {
          this.errors += text
        })
        createInterface({ input: child.stdout }).on("line", (line) => {
          const message: Protocol.Ready | Protocol.AnswerLine = JSON.parse(line)
          if ("id" in message) {
            const waiting = pending.get(message.id)
            pending.delete(message.id)
            if ("error" in message) waiting?.reject(new Error(message.error))
            else waiting?.resolve(message.output)
            return
          }
          clearTimeout(timer)
          this.ready = message
          resolve()
        })
        void running.closed.then(({ code, signal }) => {
          clearTimeout(timer)
          const how = `ended (code ${code}, signal ${signal})`
          fail(how)
          for (const { reject } of pending.values()) reject(new Error(`the test server ${how}`))
        })
      })
    )

  kill = Effect.suspend(() => {
    const running = this.running
    return running?.isRunning() === true ? Effect.promise(() => running.kill()) : Effect.void
  }).pipe(Effect.asVoid)

  stop = Effect.suspend(() => {
    process.kill(this.pid, "SIGSTOP")
    return this.stopped
  })

  private stopped: Effect.Effect<void> = Effect.suspend(() => {
    const state = Processes.processState(this.pid)
    return state === "T" || state === undefined ? Effect.void : Effect.andThen(sleep(1), this.stopped)
  })

  resume = Effect.sync(() => {
    process.kill(this.pid, "SIGCONT")
  })

  restart = Effect.suspend(() => Effect.andThen(this.kill, this.start))

  command: Service["command"] = (command, ...[input]) =>
    Effect.promise(() =>
      new Promise((resolve, reject) => {
        const running = this.running
        if (running?.isRunning() !== true) return reject(new Error(`${command}: the test server is dead`))
        const id = this.nextId++
        this.pending.set(id, { resolve, reject })
        const line: Protocol.CommandLine = { id, command, input: input ?? {} }
        running.child.stdin.write(`${JSON.stringify(line)}\n`)
      })
    )

  stats = Effect.suspend(() => this.command("stats"))

  statsOf = (path: string) => Effect.map(this.stats, (stats) => stats.paths[path] ?? noCounts)

  until = (predicate: (stats: Protocol.Stats) => boolean): Effect.Effect<Protocol.Stats> =>
    Effect.flatMap(this.stats, (stats) => {
      if (predicate(stats)) return Effect.succeed(stats)
      return Effect.andThen(sleep(pollEvery), this.until(predicate))
    })

  stderr = Effect.sync(() => this.errors)
}
