/**
 * A PostgreSQL for the benchmark, and its faults, in a process of their own: prints where both are, in one line, and runs
 * until its input ends. A POST to the path of a fault is answered when the fault is over.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import * as Postgres from "../../test/support/postgres.js"
import { applicationName, type Fault, type Ready } from "./protocol.js"

const maxConnections = 20
/** How many connections a contestant gets from a server that is full. */
const left = 5

const program = Effect.gen(function*() {
  const server = yield* Postgres.make({ maxConnections })
  const accepts = Effect.retry(server.query("select 1"), Schedule.spaced("5 millis"))
  let occupied: Scope.CloseableScope | undefined

  const faults: Record<Fault, (millis: number) => Effect.Effect<unknown, Error>> = {
    terminate: () =>
      server.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = '${applicationName}' and state <> 'idle' limit 1`
      ),
    crash: () => Effect.andThen(server.crash, accepts),
    restart: (millis) => server.stop.pipe(Effect.andThen(Effect.delay(server.start, millis)), Effect.andThen(accepts)),
    standstill: (millis) => Effect.scoped(Effect.flatMap(server.suspend, (resume) => Effect.delay(resume, millis))),
    occupy: () =>
      Effect.gen(function*() {
        const [{ count }] = yield* server.query(
          "select count(*)::int from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
        )
        const scope = occupied = yield* Scope.make()
        yield* Effect.replicateEffect(Postgres.connect(server.config), maxConnections - left - count, {
          discard: true
        }).pipe(Scope.extend(scope))
      }),
    release: () => Effect.suspend(() => Scope.close(occupied!, Exit.void))
  }

  const http = createServer((request, response) => {
    const url = new URL(request.url!, "http://localhost")
    const fault = faults[url.pathname.slice(1) as Fault]
    const millis = Number(url.searchParams.get("millis"))
    void Effect.runPromiseExit(fault(millis)).then((exit) => {
      response.statusCode = Exit.isSuccess(exit) ? 200 : 500
      response.end(Exit.isSuccess(exit) ? "" : String(exit.cause))
    })
  })
  http.listen(0, "127.0.0.1")
  yield* Effect.promise(() => once(http, "listening"))
  const { port } = http.address() as AddressInfo
  const { host, password } = server.config
  const config = { host, port: 5432, user: "postgres", password, database: "postgres" }
  const ready: Ready = { config, faults: `http://127.0.0.1:${port}` }
  console.log(JSON.stringify(ready))
  yield* Effect.promise(() => once(process.stdin.resume(), "end"))
})

await Effect.runPromise(Effect.scoped(program))
process.exit()
