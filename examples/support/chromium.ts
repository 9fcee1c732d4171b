import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The first executable on the path with one of these names; undefined if there is none. */
export const onPath = (names: ReadonlyArray<string>): string | undefined =>
  (process.env["PATH"] ?? "").split(delimiter)
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find(isExecutable)

/** The executable of a Chromium: `CHROMIUM`, or one on the path; undefined if there is none. */
export const chromium = (): string | undefined =>
  process.env["CHROMIUM"] || onPath(["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"])
