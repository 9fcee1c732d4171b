/**
 * A test that failed may run again, on the same server, which still counts what the first attempt did. So each further
 * attempt has paths of its own: the server that a test sees adds the attempt's number to the path, and takes it off again.
 */
import * as Effect from "#test/Effect"
import type * as Protocol from "./protocol.js"
import type { Service } from "./serverProcess.js"

let attempt = 0

/** Tells how often the test that begins now has run before. */
export const beginAttempt = (before: number): void => {
  attempt = before
}

const mark = () => `attempt=${attempt}`

const marked = (path: string): string => attempt === 0 ? path : `${path}${path.includes("?") ? "&" : "?"}${mark()}`

const markedInput = <I>(input: I): I =>
  typeof input === "object" && input !== null && "path" in input && typeof input.path === "string"
    ? { ...input, path: marked(input.path) }
    : input

/** The paths of this attempt, as the test knows them. */
const ownPaths = (stats: Protocol.Stats): Protocol.Stats => {
  if (attempt === 0) return stats
  const end = mark()
  const own = Object.entries(stats.paths).flatMap(([path, counts]) =>
    path.endsWith(end) ? [[path.slice(0, -end.length - 1), counts] as const] : []
  )
  return { ...stats, paths: Object.fromEntries(own) }
}

/** The server, as the attempts of a test see it. */
export const byAttempt = (server: Service): Service => {
  const own: Pick<Service, "url" | "stats" | "statsOf" | "until" | "command"> = {
    url: (path) => server.url(marked(path)),
    stats: Effect.map(server.stats, ownPaths),
    statsOf: (path) => Effect.suspend(() => server.statsOf(marked(path))),
    until: (predicate) => Effect.map(server.until((stats) => predicate(ownPaths(stats))), ownPaths),
    command: (command, ...[input]) => Effect.suspend(() => server.command(command, markedInput(input) as never))
  }
  // `pid` and `port` change
  return Object.assign(Object.create(server), own)
}
