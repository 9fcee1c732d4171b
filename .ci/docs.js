// Checks that every TypeScript example compiles with both majors of Effect, that the whole programs among them run, and
// that links lead somewhere; then writes the API pages to docs/api.
// Examples are the ```ts blocks of the pages in Markdown and of the doc comments in src. Each is a module of its own.
// An example that is marked as ```ts effect3 or ```ts effect4 is only for that major.
// An example that is marked as ```ts run is a program: it has to succeed and to print exactly the ```text output block
// after it, or nothing without such a block.
import { build } from "esbuild"
import { spawnSync } from "node:child_process"
import fs from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
process.chdir(root)

const files = (folder, extension) =>
  fs.existsSync(folder)
    ? fs.readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(extension))
      .map((name) => path.join(folder, name))
    : []

const pages = [
  ...fs.readdirSync(".").filter((name) => name.endsWith(".md")),
  ...files("docs", ".md").filter((name) => !name.startsWith(path.join("docs", "api"))),
  ...files("examples", ".md"),
  ...files("test", ".md")
]

// The ```ts blocks among some lines: where each starts, counted from 0, its lines, and whether and with what output it runs.
const blocks = (lines) => {
  const found = []
  let open
  lines.forEach((line, index) => {
    const fence = line.match(/^\s*(`{3,})\s*(\w*) ?(.*)/)
    if (open === undefined) {
      if (fence) open = { fence: fence[1], language: fence[2], mark: fence[3], start: index + 1, lines: [] }
    } else if (line.trim() === open.fence) {
      if (/^(ts|typescript)$/.test(open.language)) {
        const marks = open.mark.split(" ")
        const majors = [3, 4].filter((major) => !marks.includes(`effect${7 - major}`))
        found.push({ ...open, majors, runs: marks.includes("run"), output: [] })
      } else if (open.language === "text" && open.mark === "output") found.at(-1).output = open.lines
      open = undefined
    } else {
      open.lines.push(line)
    }
  })
  return found
}

// Blanks everything except the text of doc comments, so that line numbers stay.
const docComments = (source) => {
  const lines = source.split("\n").map(() => "")
  for (const comment of source.matchAll(/\/\*\*[^]*?\*\//g)) {
    const first = source.slice(0, comment.index).split("\n").length - 1
    comment[0].slice(3, -2).split("\n").forEach((line, index) => {
      lines[first + index] = line.replace(/^\s*\* ?/, "")
    })
  }
  return lines
}

const texts = pages.map((file) => ({ file, lines: fs.readFileSync(file, "utf8").split("\n") }))

const fail = (problem) => {
  console.error(problem)
  process.exitCode = 1
}

// The anchors of a page: its headings, as GitHub names them.
const anchors = (file) =>
  fs.readFileSync(file, "utf8").split("\n").flatMap((line) => line.match(/^#+ (.*)/)?.slice(1) ?? [])
    .map((heading) =>
      heading.replace(/\]\([^)]*\)/g, "]").toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
    )

// A link to a file, with a title that the file contains: [shown](../test/Some.test.ts "does this"); or to a heading. In
// tables of tests it is a number, [1], and a line below: [1]: ../test/Some.test.ts "does this".
for (const { file, lines } of texts) {
  lines.forEach((line, index) => {
    const say = (problem) => fail(`${file}:${index + 1}: ${problem}`)
    const text = line.replace(/(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)/g, "")
    const inline = text.matchAll(/\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?[^)"]*(?:"([^"]+)")?\)/g)
    const below = line.matchAll(/^\[\d+\]: ([^#\s]+)(?:#(\S+))?(?: "([^"]+)")?$/g)
    for (const [, target, anchor, title] of [...inline, ...below]) {
      const linked = target === "" ? file : path.join(path.dirname(file), target)
      // docs/api is written below
      if (linked.startsWith(path.join("docs", "api"))) continue
      if (!fs.existsSync(linked)) say(`${linked} does not exist`)
      else if (title !== undefined && !fs.readFileSync(linked, "utf8").includes(title)) {
        say(`${linked} does not say "${title}"`)
      } else if (anchor !== undefined && !anchors(linked).includes(anchor)) say(`${linked} has no heading #${anchor}`)
    }
    const [, number] = text.match(/\| \[(\d+)\] +\|$/) ?? []
    if (number !== undefined && lines.filter((line) => line.startsWith(`[${number}]: `)).length !== 1) {
      say(`[${number}] leads nowhere, or to two places`)
    }
  })
}

// docs/README.md lists every page.
const index = fs.readFileSync("docs/README.md", "utf8")
for (const { file } of texts) {
  const page = path.relative("docs", file)
  if (path.dirname(file) === "docs" && page !== "README.md" && !index.includes(`](${page})`)) {
    fail(`docs/README.md does not list ${page}`)
  }
}

// The README's table of platforms says what CI runs: vitest.config.ts and .ci/run read the same list.
const platforms = Object.values(JSON.parse(fs.readFileSync(".ci/platforms.json", "utf8")))
const cells = (line) => line.split("|").map((cell) => cell.trim()).join("|")
const readme = fs.readFileSync("README.md", "utf8").split("\n").map(cells)
for (const { npm, over, platform, rooms, tests } of platforms) {
  const row = cells(`| ${platform} | ${over} | ${tests ?? rooms.join(", ")} |`)
  if (!readme.includes(row)) fail(`README.md has no row ${row}`)
  if (npm !== undefined && !npm.includes(`@${/\d[\d.]*/.exec(platform)[0]}.`)) {
    fail(`${platform} is not what CI has: ${npm}`)
  }
}
const deno = JSON.parse(fs.readFileSync("node_modules/deno/package.json", "utf8")).version
if (!platforms.some(({ platform }) => platform.includes(`Deno ${deno.replace(/\.\d+$/, "")},`))) {
  fail(`the table of platforms does not say that CI has Deno ${deno}`)
}

const examples = [
  ...texts,
  ...files("src", ".ts").map((file) => ({ file, lines: docComments(fs.readFileSync(file, "utf8")) }))
].flatMap(({ file, lines }) => blocks(lines).map((block) => ({ file, ...block })))

/** What the names of packages mean with a major of Effect, for programs among the examples. */
const onMajor = (major) => ({
  name: `effect${major}`,
  setup(build) {
    build.onResolve({ filter: /^#effect\// }, ({ path: name }) => ({
      path: path.join(root, `src/internal/effect${major}`, `${name.split("/")[1]}.ts`)
    }))
    build.onResolve({ filter: /^effect-pools(\/|$)/ }, ({ path: name }) => ({
      path: path.join(root, "src", `${name.split("/")[1] ?? "index"}.ts`)
    }))
    const resolveDir = path.join(root, major === 4 ? "effect4" : ".")
    build.onResolve(
      { filter: /^effect(\/|$)/ },
      ({ kind, path: name, pluginData }) =>
        pluginData === "resolved" ? undefined : build.resolve(name, { kind, resolveDir, pluginData: "resolved" })
    )
  }
})

const run = async ({ file, output, start }, major, target) => {
  const program = target.replace(/ts$/, `${major}.mjs`)
  await build({
    entryPoints: [target],
    outfile: program,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    external: ["@fails-components/*"],
    plugins: [onMajor(major)],
    logLevel: "error",
    // for packages that are CommonJS
    banner: { js: `import { createRequire } from "node:module"; const require = createRequire(import.meta.url)` }
  })
  const { status, stderr, stdout } = spawnSync(process.execPath, [program], { encoding: "utf8", timeout: 60_000 })
  const printed = stdout.trimEnd() + stderr
  if (status === 0 && printed === output.join("\n")) return
  console.error(
    `${file}:${start}, on Effect ${major}: exit code ${status}, and instead of this output came\n${printed}`
  )
  process.exitCode = 1
}

const node = (script, args, cwd) => {
  const { status } = spawnSync(process.execPath, [path.join(root, script), ...args], {
    cwd,
    // the examples were compiled above; docgen would run some of them
    env: { ...process.env, DOCGEN_RUN_EXAMPLES: "false" },
    stdio: "inherit"
  })
  if (status !== 0) process.exitCode = 1
  return status === 0
}

// Inside the project, so that imports find node_modules.
const folder = fs.mkdtempSync(path.join(root, ".docs-"))
try {
  for (const major of [3, 4]) {
    const own = examples.filter(({ majors }) => majors.includes(major))
    const target = ({ file, start }) => path.join(folder, `effect${major}`, file, `${start + 1}.ts`)
    for (const example of own) {
      fs.mkdirSync(path.dirname(target(example)), { recursive: true })
      // Blank lines above, so that an error names the line of the page.
      fs.writeFileSync(target(example), "\n".repeat(example.start) + example.lines.join("\n") + "\n")
    }
    const tsconfig = path.join(folder, `tsconfig.effect${major}.json`)
    fs.writeFileSync(
      tsconfig,
      JSON.stringify({
        extends: major === 3 ? "../tsconfig.json" : "../tsconfig.effect4.json",
        compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
        include: [`effect${major}`]
      })
    )
    if (own.length === 0 || !node(".ci/tsc.js", ["-p", tsconfig])) continue
    const programs = own.filter(({ runs }) => runs)
    for (const program of programs) await run(program, major, target(program))
    console.log(`Effect ${major}: ${own.length} examples compile, ${programs.length} of them were run`)
  }

  // docgen reads its settings, and a homepage that it insists on, from the current folder only.
  fs.symlinkSync("../src", path.join(folder, "src"))
  fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify({ name: "effect-pools", homepage: "" }))
  fs.writeFileSync(
    path.join(folder, "docgen.json"),
    JSON.stringify({
      exclude: ["src/internal/**"],
      outDir: "../docs/api",
      enforceDescriptions: true,
      parseCompilerOptions: "../tsconfig.json"
    })
  )
  fs.rmSync("docs/api", { recursive: true, force: true })
  node("node_modules/@effect/docgen/bin.cjs", [], folder)
  for (const page of files("docs/api/modules", ".md")) {
    // newer versions of prettier, which docgen uses, take the opening of its front matter for a rule
    fs.writeFileSync(page, fs.readFileSync(page, "utf8").replace(/^\*\*\*\n\n/, "---\n"))
  }
} finally {
  fs.rmSync(folder, { recursive: true, force: true })
}
