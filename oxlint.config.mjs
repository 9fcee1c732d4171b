import { readdirSync } from "node:fs"

// The rooms of `src/internal`, from the bottom: the rooms that each may import, and the public modules that are its roof.
const rooms = {
  core: { below: [] },
  effect3: { below: ["core"] },
  effect4: { below: ["core"] },
  observe: { below: ["core"], roof: ["PoolMetrics", "PoolStats", "RecyclingPoolStats", "RequestPoolStats"] },
  options: { below: ["core", "observe"] },
  time: { below: ["core"] },
  engine: { below: ["core", "observe", "options", "time"], roof: ["ResourcePool"] },
  transport: { below: ["core", "observe", "options"], roof: ["WebTransport"] },
  recycling: {
    below: ["core", "observe", "options", "time"],
    roof: ["ObjectPool", "BufferPool", "TieredBufferPool", "CollectionPool"]
  },
  framing: { below: ["core", "observe", "options", "transport"], roof: ["Framing", "FramingCodec"] },
  platform: {
    below: ["core", "observe", "options", "transport", "framing"],
    roof: ["NodeWebTransport", "NodeWebTransportServer", "TestWebTransport"]
  },
  permits: { below: ["core", "observe", "options", "time"], roof: ["RedisPermits"] },
  keyed: { below: ["core", "observe", "options", "time", "engine"], roof: ["KeyedPool"] },
  sessions: { below: ["core", "observe", "options", "time", "engine", "transport", "framing"], roof: ["SessionPool"] },
  streams: {
    below: ["core", "observe", "options", "time", "engine", "transport", "framing", "sessions"],
    roof: ["StreamPool"]
  },
  requests: {
    below: ["core", "observe", "options", "time", "engine", "transport", "framing", "sessions", "streams"],
    roof: ["RequestPool"]
  }
}
const names = Object.keys(rooms)
/** Public modules that every room but `core` may import. */
const leaves = [
  ...["PoolError", "WebTransportError", "FramingError", "RequestError", "RedisPermitsError", "Resettable", "ArrayList"],
  ...["ResourcePoolOptions", "SessionPoolOptions", "WebTransportConstructor", "WebTransportSession"]
]
const roofs = [...names.flatMap((name) => rooms[name].roof ?? []), "index"]
const isVariant = (name) => name === "effect3" || name === "effect4"

const effectModules = {
  paths: [
    { name: "effect", message: "Import the module: `import * as Effect from \"effect/Effect\"`." },
    { name: "@effect/platform", message: "Import the module, as in `@effect/platform/Socket`." }
  ]
}
const nodeOnly = {
  group: ["node:*", "@fails-components/*", "ioredis"],
  message: "Only NodeWebTransport, NodeWebTransportServer and RedisPermits may load what is Node's."
}
const ownPackage = { group: ["effect-pools", "effect-pools/*"], message: "Use a relative path." }
/** Other paths would pass the fences. */
const plainPath = { regex: "^\\./\\.\\./|[^./]/\\.\\./|^\\..*/internal/", message: "Use the shortest relative path." }
const noEffect = {
  group: ["effect/*", "@effect/*", "@effect/**", "#effect/*"],
  message: "`core` knows neither Effect nor a platform."
}
const dialect = {
  group: [
    "@effect/platform/Socket",
    ...["Either", "Effectable", "FiberId", "FiberRef", "FiberRefs", "Inspectable", "Metric*", "Runtime", "RuntimeFlags"]
      .map((name) => `effect/${name}`)
  ],
  message: "Majors of Effect name it differently: use `#effect/*`."
}

/** What tests of both majors import as `#test/…`. */
const variants = readdirSync(new URL("test/support/effect4", import.meta.url), { encoding: "utf8" })
  .flatMap((file) => /^([A-Z]\w+)\.ts$/.exec(file)?.slice(1) ?? [])
const bothMajors = {
  paths: variants.map((name) => ({
    name: `effect/${name}`,
    message: `Majors of Effect differ: use \`#test/${name}\`.`
  }))
}

const noServers = {
  group: ["@fails-components/*"],
  message: "NodeWebTransport and NodeWebTransportServer know its quirks, and that it prints: use them."
}

const roomsApart = (allowed, who) => {
  const others = names.filter((name) => !allowed.includes(name)).join("|")
  return { regex: `^(\\.\\./|\\./internal/)+(${others})/`, message: `A room that is not below ${who}.` }
}
const modulesApart = (forbidden, who) => ({
  regex: `^(\\./|(\\.\\./)+)(${forbidden.join("|")})\\.js$`,
  message: `A public module that is not below ${who}.`
})

const fence = (files, patterns) => ({
  files,
  rules: { "no-restricted-imports": ["error", { ...effectModules, patterns }] }
})

/** Types included. A room also imports the roofs of the rooms below it. */
const roomFence = ([name, { below }]) => {
  const who = `\`${name}\``
  const above = roofs.filter((roof) => !below.some((one) => rooms[one].roof?.includes(roof)))
  return fence([`src/internal/${name}/**`], [
    plainPath,
    roomsApart([name, ...below], who),
    modulesApart(name === "core" ? [...roofs, ...leaves] : above, who),
    ...(name === "core" ? [noEffect] : isVariant(name) ? [] : [dialect]),
    ...(name === "platform" || name === "permits" ? [] : [nodeOnly])
  ])
}

/** A roof imports its room and what lies below, the roofs there included. */
const roofFence = ([name, { below, roof }]) => {
  const known = [name, ...below]
  const above = roofs.filter((one) => !known.some((room) => rooms[room].roof?.includes(one)))
  return fence(roof.map((one) => `src/${one}.ts`), [
    roomsApart(known, "the room of this module"),
    modulesApart(above, "the room of this module"),
    nodeOnly,
    ownPackage
  ])
}

export default {
  plugins: ["typescript", "oxc", "unicorn", "import", "vitest"],
  categories: { correctness: "error" },
  options: { typeAware: true, denyWarnings: true, reportUnusedDisableDirectives: "error" },
  ignorePatterns: ["dist", "docs", "coverage"],
  rules: {
    "import/no-cycle": ["error", { ignoreTypes: false }],
    "import/no-self-import": "error",
    "typescript/no-floating-promises": "error",
    "typescript/no-misused-promises": "error",
    "vitest/no-disabled-tests": "error",
    "vitest/no-focused-tests": "error",
    // tsc knows better what a namespace holds
    "import/namespace": "off",
    // options are `| undefined` on purpose, for callers without `exactOptionalPropertyTypes`
    "typescript/no-duplicate-type-constituents": "off",
    "typescript/no-misused-spread": "off",
    // a loop that changes the set under it needs the copy
    "unicorn/no-useless-spread": "off",
    // does not know `it.effect`
    "vitest/no-standalone-expect": "off"
  },
  overrides: [
    {
      // What runs in a browser: deep imports, so that a bundle holds only what it uses, and nothing of Node.
      files: ["src/**/*.ts"],
      rules: {
        "no-console": "error",
        "max-lines": ["error", 400],
        // no `import("…").X`, which the fences do not see
        "typescript/consistent-type-imports": ["error", { disallowTypeAnnotations: true }],
        "no-restricted-globals": ["error", "process", "Buffer", "global", "setImmediate"],
        "no-restricted-imports": ["error", { ...effectModules, patterns: [nodeOnly, ownPackage] }]
      }
    },
    ...Object.entries(rooms).map(roomFence),
    ...Object.entries(rooms).filter(([, { roof }]) => roof !== undefined).map(roofFence),
    fence(leaves.map((leaf) => `src/${leaf}.ts`), [
      roomsApart(["core", "observe"], "this module"),
      modulesApart(roofs.filter((roof) => !rooms.observe.roof.includes(roof)), "this module"),
      nodeOnly,
      ownPackage
    ]),
    // the transitions of the waiting pool are read together
    { files: ["src/internal/core/pool/poolMachine.ts"], rules: { "max-lines": "off" } },
    {
      // it makes tests of others
      files: ["test/support/vitest.ts"],
      rules: {
        "vitest/expect-expect": "off",
        "vitest/no-conditional-tests": "off",
        "vitest/no-standalone-expect": "off",
        "vitest/valid-describe-callback": "off",
        "vitest/valid-title": "off",
        "vitest/require-local-test-context-for-concurrent-snapshots": "off"
      }
    },
    {
      files: ["test/**", "examples/**", "benchmark/**"],
      rules: { "no-restricted-imports": ["error", { patterns: [noServers] }] }
    },
    {
      files: names.filter((name) => name !== "core" && !isVariant(name)).map((name) => `test/${name}/**`)
        .concat("test/dialect/**"),
      rules: { "no-restricted-imports": ["error", { ...bothMajors, patterns: [noServers] }] }
    },
    {
      files: ["src/NodeWebTransport.ts", "src/internal/platform/fails/load.ts"],
      rules: { "no-restricted-globals": "off", "no-restricted-imports": "off" }
    }
  ]
}
