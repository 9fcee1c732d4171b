// Packs the library, judges the tarball with publint and attw, installs it into an empty project and uses it there.
import { build } from "esbuild"
import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"

const root = fileURLToPath(new URL("..", import.meta.url))
const bin = path.join(root, "node_modules", ".bin")

const run = (cwd, command, args) => {
  console.log(`$ ${path.basename(command)} ${args.join(" ")}`)
  execFileSync(command, args, { cwd, stdio: "inherit" })
}
const installed = (name) =>
  `${name}@${JSON.parse(fs.readFileSync(path.join(root, "node_modules", name, "package.json"), "utf8")).version}`

const sources = fs.readdirSync(path.join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => name.slice(0, -".ts".length).split(path.sep).join("/"))
const internals = sources.filter((name) => name.startsWith("internal/"))
const modules = sources.filter((name) => !name.includes("/") && name !== "index")
const portable = modules.filter((name) => name !== "NodeWebTransport")
// modules for tests only are not part of the root
const inRoot = portable.filter((name) => name !== "TestWebTransport")

/** The most bytes that they may have. */
const bundles = [
  { entry: "effect-pools", withPeers: 148_000, alone: 66_000 },
  { entry: "effect-pools/ResourcePool", withPeers: 92_000, alone: 25_500 },
  { entry: "effect-pools/BufferPool", withPeers: 62_000, alone: 9_500 }
]

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "effect-pools-"))
try {
  // `prepack` builds
  run(root, "npm", ["pack", "--silent", "--pack-destination", folder])
  const tarball = path.join(folder, fs.readdirSync(folder).find((name) => name.endsWith(".tgz")))

  run(root, path.join(bin, "publint"), ["run", tarball, "--strict"])
  const entrypoints = [".", ...modules.map((name) => `./${name}`)]
  run(root, path.join(bin, "attw"), [
    ...[tarball, "--profile", "esm-only", "--no-definitely-typed", "--no-emoji", "--format", "table-flipped"],
    ...["--entrypoints", ...entrypoints]
  ])

  const project = path.join(folder, "project")
  fs.mkdirSync(project)
  const write = (name, content) => fs.writeFileSync(path.join(project, name), content)
  write("package.json", JSON.stringify({ private: true, type: "module" }))
  const peers = ["effect", "@effect/platform"].map(installed)
  run(project, "npm", ["install", "--silent", "--prefer-offline", "--no-audit", "--no-fund", tarball, ...peers])

  // In Node every module loads, the root has the portable ones for applications, and nothing else can be reached.
  write(
    "load.js",
    `
import assert from "node:assert/strict"
for (const name of ${JSON.stringify(modules)}) {
  assert.notEqual(Object.keys(await import("effect-pools/" + name)).length, 0, name)
}
const all = await import("effect-pools")
for (const name of ${JSON.stringify(inRoot)}) assert(name in all, name + " is missing in index.ts")
for (const name of ${JSON.stringify(["index", "internal/x", ...internals])}) {
  await assert.rejects(import("effect-pools/" + name), { code: "ERR_PACKAGE_PATH_NOT_EXPORTED" }, name)
}
`
  )
  run(project, process.execPath, ["load.js"])

  // The declarations hold by themselves (`skipLibCheck` is off), without the types of Node.
  write(
    "types.ts",
    `export * as all from "effect-pools"\n` +
      modules.map((name) => `export * as ${name} from "effect-pools/${name}"\n`).join("")
  )
  const compilerOptions = ["--ignoreConfig", "--noEmit", "--strict", "--skipLibCheck", "false", "--target", "ES2022"]
  const lib = ["--lib", "ES2022,DOM"]
  for (const resolution of [["--module", "NodeNext"], ["--module", "ESNext", "--moduleResolution", "Bundler"]]) {
    run(project, path.join(bin, "tsc"), [...compilerOptions, ...lib, ...resolution, "types.ts"])
  }

  // In a browser: a bundle of all portable modules contains nothing of Node. (esbuild cannot resolve `node:` there.)
  const bundle = async (contents, external = []) => {
    const { metafile, outputFiles: [file] } = await build({
      stdin: { contents, resolveDir: project },
      absWorkingDir: project,
      platform: "browser",
      format: "esm",
      bundle: true,
      minify: true,
      write: false,
      metafile: true,
      external
    })
    const [{ imports }] = Object.values(metafile.outputs)
    const loaded = [...Object.keys(metafile.inputs), ...imports.map((one) => one.path)]
    assert.deepEqual(loaded.filter((name) => /@fails-components|\bnode:/.test(name)), [])
    return gzipSync(file.contents).byteLength
  }
  await bundle(portable.map((name) => `export * as ${name} from "effect-pools/${name}"\n`).join(""))

  // The bytes that a page loads, minified and compressed: with the peers, and without them, for a page that has them anyway.
  const peerModules = ["effect", "effect/*", "@effect/platform", "@effect/platform/*"]
  for (const { entry, withPeers, alone } of bundles) {
    const contents = `export * from "${entry}"`
    const sizes = [[await bundle(contents), withPeers], [await bundle(contents, peerModules), alone]]
    const [all, own] = sizes.map(([bytes]) => `${(bytes / 1000).toFixed(1)} kB`)
    console.log(`${entry} in a browser: ${all}, without effect and @effect/platform ${own} (minified, gzip)`)
    for (const [bytes, limit] of sizes) assert(bytes <= limit, `${entry}: ${bytes} bytes are more than ${limit}`)
  }
  console.log(`${modules.length} modules load, type-check, and without NodeWebTransport bundle for a browser`)
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
} finally {
  fs.rmSync(folder, { recursive: true, force: true })
}
