// Checks that every TypeScript example compiles, that the whole programs among them run, and that links lead somewhere;
// then writes the API pages to docs/api.
// Examples are the ```ts blocks of the pages in Markdown and of the doc comments in src. Each is a module of its own.
// An example that is marked as ```ts run is a program: it has to succeed and to print exactly the ```text output block
// after it, or nothing without such a block.
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
  ...files("examples", ".md")
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
      if (/^(ts|typescript)$/.test(open.language)) found.push({ ...open, runs: open.mark === "run", output: [] })
      else if (open.language === "text" && open.mark === "output") found.at(-1).output = open.lines
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

// A link to a file, with a title that the file contains: [shown](../test/Some.test.ts "does this").
for (const { file, lines } of texts) {
  lines.forEach((line, index) => {
    const text = line.replace(/(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)/g, "")
    for (const [, target, title] of text.matchAll(/\]\((?!\w+:|#)([^)#\s]+)[^)"]*(?:"([^"]+)")?\)/g)) {
      const linked = path.join(path.dirname(file), target)
      // docs/api is written below
      if (linked.startsWith(path.join("docs", "api"))) continue
      const problem = !fs.existsSync(linked)
        ? "does not exist"
        : title !== undefined && !fs.readFileSync(linked, "utf8").includes(title)
        ? `does not say "${title}"`
        : undefined
      if (problem === undefined) continue
      console.error(`${file}:${index + 1}: ${linked} ${problem}`)
      process.exitCode = 1
    }
  })
}

const examples = [
  ...texts,
  ...files("src", ".ts").map((file) => ({ file, lines: docComments(fs.readFileSync(file, "utf8")) }))
].flatMap(({ file, lines }) => blocks(lines).map((block) => ({ file, ...block })))

const run = ({ file, output, start }, target) => {
  const { status, stderr, stdout } = spawnSync("node_modules/.bin/tsx", [target], { encoding: "utf8", timeout: 60_000 })
  const printed = stdout.trimEnd() + stderr
  if (status === 0 && printed === output.join("\n")) return
  console.error(`${file}:${start}: exit code ${status}, and instead of this output came\n${printed}`)
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
  const programs = []
  for (const example of examples) {
    const { file, lines, start } = example
    // Blank lines above, so that an error names the line of the page.
    const target = path.join(folder, "examples", file, `${start + 1}.ts`)
    if (example.runs) programs.push([example, target])
    fs.mkdirSync(path.dirname(target), { recursive: true })
    fs.writeFileSync(target, "\n".repeat(start) + lines.join("\n") + "\n")
  }
  fs.writeFileSync(
    path.join(folder, "tsconfig.json"),
    JSON.stringify({
      extends: "../tsconfig.json",
      compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
      include: ["examples"]
    })
  )
  if (examples.length > 0 && node(".ci/tsc.js", ["-p", folder])) {
    for (const [example, target] of programs) run(example, target)
    console.log(`${examples.length} examples compile, ${programs.length} of them were run`)
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
