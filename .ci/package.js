// Packs both lines of the library, for Effect 3 and for Effect 4; judges each tarball with publint and attw, installs it into
// an empty project with its own Effect, uses it there, follows the links of its pages, and follows the README's five
// minutes in another empty project.
// `npm run package -- <folder>` leaves the tarballs in that folder, to publish them.
import { build } from "esbuild"
import assert from "node:assert/strict"
import { execFileSync, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import readline from "node:readline"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { generate } from "selfsigned"

const root = fileURLToPath(new URL("..", import.meta.url))
const bin = path.join(root, "node_modules", ".bin")

// The projects made here keep what is installed, whatever npm is told outside.
process.env.npm_config_save = "true"

const run = (cwd, command, args) => {
  console.log(`$ ${path.basename(command)} ${args.join(" ")}`)
  execFileSync(command, args, { cwd, stdio: "inherit" })
}
const readJson = (...parts) =>
  JSON.parse(fs.readFileSync(path.join(root, ...parts), "utf8").replace(/^ *\/\/.*$/gm, ""))
const installed = (name, folder = ".") => `${name}@${readJson(folder, "node_modules", name, "package.json").version}`

const sources = fs.readdirSync(path.join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => name.slice(0, -".ts".length).split(path.sep).join("/"))
const internals = sources.filter((name) => name.startsWith("internal/"))
const modules = sources.filter((name) => !name.includes("/") && name !== "index")
const portable = modules.filter((name) => !name.startsWith("NodeWebTransport") && name !== "RedisPermits")
// other modules have the same exports
const typesOnly = ["ResourcePoolOptions", "SessionPoolOptions"]
const parts = [
  ...typesOnly,
  "FramingCodec",
  "RecyclingPoolStats",
  "RedisPermitsError",
  "RequestPoolStats",
  "WebTransportConstructor",
  "WebTransportSession"
]
// modules for tests only are not part of the root either
const inRoot = portable.filter((name) => name !== "TestWebTransport" && !parts.includes(name))

/** A program in the words that both majors share; TypeScript under NodeNext and Bundler, and esbuild. */
const program = `
import * as BufferPool from "effect-pools/BufferPool"
import * as ResourcePool from "effect-pools/ResourcePool"
import * as Effect from "effect/Effect"

const main = Effect.scoped(Effect.gen(function*() {
  const names = ["one", "two", "three"]
  const pool = yield* ResourcePool.make({ name: "names", acquire: Effect.sync(() => names.shift()), maxSize: 2 })
  const buffers = yield* BufferPool.make({ bufferSize: 3 })
  const both = yield* pool.use((a) => pool.use((b) => Effect.succeed(\`\${a},\${b}\`)))
  const length = yield* buffers.useSync((buffer) => buffer.byteLength)
  return \`\${both} \${length}\`
}))

Effect.runPromise(main).then((text) => console.log(text))
`

/** The lines, and the most bytes that their bundles may have: with the peers, and without them. */
const lines = [
  {
    major: 3,
    peers: ["effect", "@effect/platform"].map((name) => installed(name)),
    bundles: {
      "effect-pools": [180_000, 97_000],
      "effect-pools/ResourcePool": [96_000, 30_500],
      "effect-pools/BufferPool": [62_000, 9_500]
    }
  },
  {
    major: 4,
    peers: [installed("effect", "effect4")],
    bundles: {
      "effect-pools": [143_000, 98_000],
      "effect-pools/ResourcePool": [53_000, 30_500],
      "effect-pools/BufferPool": [29_000, 9_500]
    }
  }
]

/** The most bytes of a tarball: the modules and their sources, the guides, their pictures, and the examples. */
const mostBytes = 1_500_000

const pack = (from, destination) => {
  fs.mkdirSync(destination)
  run(from, "npm", ["pack", "--silent", "--pack-destination", destination])
  const tarball = path.join(destination, fs.readdirSync(destination).find((name) => name.endsWith(".tgz")))
  const { size } = fs.statSync(tarball)
  console.log(`${path.basename(tarball)}: ${(size / 1000).toFixed(0)} kB`)
  assert(size <= mostBytes, `${size} bytes are more than ${mostBytes}`)
  return tarball
}

/** What of the manifest is for this repository alone. */
const forUs = ["devDependencies", "overrides", "scripts"]

/** What a package consists of, `dist` apart. `own`: what its manifest has in place of the root's. */
const stagePackage = (folder, own) => {
  const stage = path.join(folder, "stage")
  const all = readJson("package.json")
  const manifest = Object.fromEntries(Object.entries(all).filter(([key]) => !forUs.includes(key)))
  const folders = all.files.filter((name) => !/^(dist|!.*)$/.test(name)).map((name) => name.split("/")[0])
  for (const name of new Set([...folders, "README.md", "LICENSE"])) {
    fs.cpSync(path.join(root, name), path.join(stage, name), { recursive: true })
  }
  fs.writeFileSync(path.join(stage, "package.json"), JSON.stringify({ ...manifest, ...own }, undefined, 2))
  return stage
}

const packEffect3 = (folder) => {
  run(root, "npm", ["run", "--silent", "build"])
  const stage = stagePackage(folder, {})
  fs.cpSync(path.join(root, "dist"), path.join(stage, "dist"), { recursive: true })
  return pack(stage, path.join(folder, "tarball"))
}

/** The line for Effect 4: the same sources and manifest, with what `effect4/package.json` says. */
const packEffect4 = (folder) => {
  const { peerDependencies, peerDependenciesMeta, version } = readJson("effect4", "package.json")
  const stage = stagePackage(folder, {
    ...{ version, peerDependencies, peerDependenciesMeta },
    imports: { "#effect/*": "./dist/internal/effect4/*.js" },
    files: readJson("package.json").files.filter((name) => name !== "!src/internal/effect4")
  })
  for (const name of ["effect3", "effect4/tsconfig.json"]) {
    fs.rmSync(path.join(stage, "src/internal", name), { recursive: true })
  }
  const tsconfig = path.join(stage, "tsconfig.json")
  fs.writeFileSync(
    tsconfig,
    JSON.stringify({
      extends: path.join(root, "tsconfig.effect4.json"),
      compilerOptions: {
        ...readJson("tsconfig.build.json").compilerOptions,
        rootDir: path.join(root, "src"),
        typeRoots: [path.join(root, "node_modules/@types")],
        outDir: path.join(stage, "dist")
      },
      include: [path.join(root, "src")]
    })
  )
  run(root, path.join(bin, "tsc"), ["-p", tsconfig])
  // the maps name the sources that were compiled: the package has its own
  for (const map of mapsOf(path.join(stage, "dist"))) {
    const content = JSON.parse(fs.readFileSync(map, "utf8"))
    const own = (source) => path.join(stage, path.relative(root, path.resolve(path.dirname(map), source)))
    content.sources = content.sources.map((source) => path.relative(path.dirname(map), own(source)))
    fs.writeFileSync(map, JSON.stringify(content))
  }
  return pack(stage, path.join(folder, "tarball"))
}

const mapsOf = (folder) =>
  fs.readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith(".map"))
    .map((name) => path.join(folder, name))

/** npm refuses the wrong major; pnpm, which npm fetches for this, installs it and warns. */
const refuseOther = (major, tarball, project) => {
  const other = lines.find((line) => line.major !== major).peers[0]
  fs.mkdirSync(project)
  fs.writeFileSync(path.join(project, "package.json"), JSON.stringify({ private: true }))
  // `npm run --silent` would silence these, too
  const env = { ...process.env, npm_config_loglevel: "warn" }
  const install = (command, ...args) => {
    const given = [...args, "--prefer-offline", tarball, other]
    const { status, stderr, stdout } = spawnSync(command, given, { cwd: project, env, encoding: "utf8" })
    return { status, text: stdout + stderr }
  }
  const npm = install("npm", "install", "--no-audit", "--no-fund", "--dry-run")
  assert.notEqual(npm.status, 0, `${other} is not refused`)
  assert.match(npm.text, /ERESOLVE[^]*peer effect@"\^/)
  const store = ["--lockfile-only", "--store-dir", path.join(project, ".store")]
  const pnpm = install("npx", "--yes", "pnpm@10.34.9", "add", ...store)
  assert.match(pnpm.text, /effect-pools \S+\s+└── ✕ unmet peer effect@\^/)
}

/** What a page links to: other files, pictures included; not what stands in code. */
const linksOf = (page) => {
  const text = fs.readFileSync(page, "utf8").replace(/^```[^]*?^```$/gm, "").replace(
    /(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)/g,
    ""
  )
  const links = text.matchAll(/\]\((?!\w+:)([^)#\s]+)|\b(?:src|srcset)="(?!\w+:)([^"]+)"|^\[\d+\]: ([^#\s]+)/gm)
  return [...links].map(([, ...targets]) => targets.find((target) => target !== undefined))
}

/** No page needs a repository: its links lead to files of the package. Tests and API pages are not in it. */
const followLinks = (folder) => {
  const pages = fs.readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".md"))
  assert(pages.includes("README.md") && pages.includes(path.join("docs", "README.md")))
  for (const page of pages) {
    for (const target of linksOf(path.join(folder, page))) {
      const linked = path.join(path.dirname(page), target)
      const isElsewhere = page !== "README.md" && /^(test|docs.api)\b/.test(linked)
      assert(isElsewhere || fs.existsSync(path.join(folder, linked)), `${page}: ${linked} is not in the package`)
    }
  }
}

/** Without its optional peers, a module that needs one says in one line what to install. */
const missing = (client, certificate) => `
import assert from "node:assert/strict"
import * as NodeWebTransport from "effect-pools/NodeWebTransport"
import * as NodeWebTransportServer from "effect-pools/NodeWebTransportServer"
import * as RedisPermits from "effect-pools/RedisPermits"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const needsClient = "Unsupported: WebTransport in Node needs the package @fails-components/webtransport; npm install ${client}"
const saysSo = (effect, message = needsClient) =>
  assert.rejects(Effect.runPromise(Effect.scoped(effect)), (error) => {
    assert.equal(error.message, message)
    return true
  })
for (const name of ["layer", "layerHttp2", "layerHttp3"]) await saysSo(Layer.build(NodeWebTransport[name]))
await saysSo(NodeWebTransportServer.make({ certificate: ${JSON.stringify(certificate)} }))
await saysSo(
  RedisPermits.make({ url: "redis://localhost", key: "key", limit: 1 }),
  "Unsupported: RedisPermits needs the package ioredis; npm install ioredis"
)
`

/** The section of the README that begins a program: its blocks, in order. */
const fiveMinutes = () => {
  const [, section] = fs.readFileSync(path.join(root, "README.md"), "utf8").split(/^## Five minutes.*$/m)
  const blocks = [...section.split(/^## /m)[0].matchAll(/^```(\w+)\n([^]*?)^```$/gm)]
  const all = (language) => blocks.filter((block) => block[1] === language).map((block) => block[2])
  const [server, program] = all("ts")
  const commands = all("sh").join("").split("\n").map((command) => command.replace(/^# with Effect \d: /, ""))
  return { commands, server, program }
}

/** Does what the README says, in an empty folder, with the tarball in place of the published package. */
const followReadme = async (major, tarball, project) => {
  const { commands, program, server } = fiveMinutes()
  const install = (isMeant) => {
    const packages = commands.find((command) => command.startsWith("npm install") && isMeant(command)).split(" ").slice(
      2
    )
    const given = packages.map((name) => name.startsWith("effect-pools@") ? tarball : name)
    run(project, "npm", ["install", "--silent", "--prefer-offline", "--no-audit", "--no-fund", ...given])
  }
  fs.mkdirSync(project)
  fs.writeFileSync(path.join(project, "package.json"), JSON.stringify({ private: true, type: "module" }))
  install((command) => command.includes("--save-dev"))
  install((command) => command.includes(` effect@${major} `))
  fs.writeFileSync(path.join(project, "server.ts"), server)
  fs.writeFileSync(path.join(project, "main.ts"), program)

  const serving = spawn(process.execPath, ["--import", "tsx", "server.ts"], {
    cwd: project,
    stdio: ["ignore", "pipe", "inherit"]
  })
  try {
    const env = { ...process.env }
    for await (const line of readline.createInterface(serving.stdout)) {
      const [, name, value] = line.match(/^export (\w+)=(.*)$/)
      env[name] = value
      if (env.SESSION_POOL_URL !== undefined && env.SESSION_POOL_CERTIFICATE_HASHES !== undefined) break
    }
    const command = commands.find((command) => command.startsWith("npx tsx"))
    const output = execFileSync(command, { cwd: project, env, shell: true, encoding: "utf8", timeout: 60_000 })
    assert.match(output, /100 answers, the last one: question 99[^]*100 borrows of \d+ sessions/)
  } finally {
    serving.kill()
    if (serving.exitCode === null && serving.signalCode === null) await once(serving, "exit")
  }
}

const judge = async ({ bundles, major, peers }, folder) => {
  fs.mkdirSync(folder)
  console.log(`\nThe line for Effect ${major}`)
  const tarball = major === 3 ? packEffect3(folder) : packEffect4(folder)

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
  run(project, "npm", ["install", "--silent", "--prefer-offline", "--no-audit", "--no-fund", tarball, ...peers])

  // In Node every module loads, the root has the portable ones for applications, and nothing else can be reached.
  write(
    "load.js",
    `
import assert from "node:assert/strict"
for (const name of ${JSON.stringify(modules)}) {
  const isEmpty = Object.keys(await import("effect-pools/" + name)).length === 0
  assert.equal(isEmpty, ${JSON.stringify(typesOnly)}.includes(name), name)
}
const all = await import("effect-pools")
for (const name of ${JSON.stringify(inRoot)}) assert(name in all, name + " is missing in index.ts")
for (const name of ${JSON.stringify(["index", "internal/x", ...internals])}) {
  await assert.rejects(import("effect-pools/" + name), { code: "ERR_PACKAGE_PATH_NOT_EXPORTED" }, name)
}
`
  )
  run(project, process.execPath, ["load.js"])
  write("require.cjs", `require("node:assert").ok(require("effect-pools").ResourcePool.make)`)
  run(project, process.execPath, ["--no-warnings", "require.cjs"])

  // Who pools other things installs nothing but the library and its Effect.
  const inProject = (...parts) => path.join(project, "node_modules", ...parts)
  for (const map of mapsOf(inProject("effect-pools", "dist"))) {
    for (const source of JSON.parse(fs.readFileSync(map, "utf8")).sources) {
      const file = path.resolve(path.dirname(map), source)
      assert(file.startsWith(inProject("effect-pools", "src")) && fs.existsSync(file), `${map} names ${source}`)
    }
  }
  const own = JSON.parse(fs.readFileSync(inProject("effect-pools", "package.json"), "utf8"))
  assert.equal(own.dependencies, undefined)
  // `prepare` of a user's copy would install this repository's tools
  assert.deepEqual(forUs.filter((key) => key in own), [])
  for (const name of Object.keys(own.peerDependenciesMeta)) {
    assert(!fs.existsSync(inProject(name)), `${name} came along`)
  }
  const client = "@fails-components/webtransport"
  const { cert, private: privKey } = await generate([], { keyType: "ec", curve: "P-256" })
  write("missing.js", missing(`${client}@${own.peerDependencies[client]}`, { cert, privKey }))
  run(project, process.execPath, ["missing.js"])

  followLinks(inProject("effect-pools"))

  // The same program runs on each line.
  write("program.ts", program)
  run(project, path.join(bin, "esbuild"), [
    ...["program.ts", "--bundle", "--packages=external", "--format=esm", "--outfile=program.js", "--log-level=error"]
  ])
  const printed = execFileSync(process.execPath, ["program.js"], { cwd: project, encoding: "utf8" })
  assert.equal(printed, "one,two 3\n")

  // The declarations hold by themselves (`skipLibCheck` is off), without the types of Node.
  write(
    "types.ts",
    `export * as all from "effect-pools"\n` +
      modules.map((name) => `export * as ${name} from "effect-pools/${name}"\n`).join("")
  )
  const compilerOptions = ["--ignoreConfig", "--noEmit", "--strict", "--skipLibCheck", "false", "--target", "ES2022"]
  const lib = ["--lib", "ES2022,DOM"]
  for (const resolution of [["--module", "NodeNext"], ["--module", "ESNext", "--moduleResolution", "Bundler"]]) {
    run(project, path.join(bin, "tsc"), [...compilerOptions, ...lib, ...resolution, "types.ts", "program.ts"])
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
  for (const [entry, limits] of Object.entries(bundles)) {
    const contents = `export * from "${entry}"`
    const sizes = [await bundle(contents), await bundle(contents, peerModules)]
    const [all, own] = sizes.map((bytes) => `${(bytes / 1000).toFixed(1)} kB`)
    console.log(`${entry} in a browser: ${all}, without its peers ${own} (minified, gzip)`)
    sizes.forEach((bytes, i) => assert(bytes <= limits[i], `${entry}: ${bytes} bytes are more than ${limits[i]}`))
  }

  refuseOther(major, tarball, path.join(folder, "wrong"))
  await followReadme(major, tarball, path.join(folder, "first-pool"))
  if (destination !== undefined) fs.copyFileSync(tarball, path.join(destination, path.basename(tarball)))

  console.log(
    `${modules.length} modules load, type-check, and without those of Node bundle for a browser; the README's program runs`
  )
}

const [destination] = process.argv.slice(2)
if (destination !== undefined) fs.mkdirSync(destination, { recursive: true })
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "effect-pools-"))
try {
  for (const line of lines) await judge(line, path.join(folder, `effect${line.major}`))
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
} finally {
  fs.rmSync(folder, { recursive: true, force: true })
}
