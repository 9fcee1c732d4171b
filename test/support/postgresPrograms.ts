/** The place of PostgreSQL's programs, and the user of its server, which refuses to run as root. */
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"

/** Debian installs versions side by side, none of them on the path. */
const debian = "/usr/lib/postgresql"
const version = existsSync(debian)
  ? readdirSync(debian).filter((version) => existsSync(`${debian}/${version}/bin/postgres`))
    .toSorted((a, b) => Number(b) - Number(a))[0]
  : undefined

/** The newest of Debian's versions, or the program on the path. */
export const program = (name: string): string => version === undefined ? name : `${debian}/${version}/bin/${name}`

const id = (option: string) => Number(spawnSync("id", [option, "postgres"], { encoding: "utf8" }).stdout || NaN)

/** For `spawn`: root runs the server as the user of its package. */
export const account: { readonly uid?: number; readonly gid?: number } = process.getuid?.() === 0
  ? { uid: id("-u"), gid: id("-g") }
  : {}

/** Why this machine cannot run PostgreSQL; undefined if it can. */
export const postgresProblem = (): string | undefined =>
  spawnSync(program("postgres"), ["--version"]).error?.message ??
    (Number.isNaN(account.uid) ? "root must not run it, and there is no user postgres" : undefined)
