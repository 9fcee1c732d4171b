// tsc with Effect's rules built in: a floating effect is an error. `effect-tsgo patch` would put the same program in
// the place of tsc; started by its own path, it leaves node_modules as npm made it.
import { execFileSync, spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const effectTsgo = fileURLToPath(new URL("../node_modules/@effect/tsgo/dist/effect-tsgo.cjs", import.meta.url))
const tsc = execFileSync(process.execPath, [effectTsgo, "get-exe-path"], { encoding: "utf8" }).trim()

process.exitCode = spawnSync(tsc, process.argv.slice(2), { stdio: "inherit" }).status ?? 1
