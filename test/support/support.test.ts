import * as Effect from "#test/Effect"
import * as Fiber from "#test/Fiber"
import { createHash, X509Certificate } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { connect as connectHttp2 } from "node:http2"
import { connect as connectTcp, createServer } from "node:net"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { vi } from "vitest"
import { makeCertificate } from "./certificate.js"
import { pattern } from "./pattern.js"
import { listen, udpSocket } from "./ports.js"
import * as Processes from "./processes.js"
import * as RawClient from "./rawClient.js"
import { activeResources, networkSockets, openSockets, runChild } from "./resources.js"
import * as TestServer from "./TestServer.js"
import { describe, expect, it, layer } from "./vitest.js"

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}.ts`, import.meta.url))

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytes = (text: string) => new TextEncoder().encode(text)

const attempt = <A>(f: () => Promise<A>) => Effect.tryPromise({ try: f, catch: (cause) => cause })

const connect = (server: TestServer.Service, path: string, options?: RawClient.RawOptions) =>
  RawClient.connect(server.url(path), server.hash, options)

const openStream = (transport: WebTransport) =>
  Effect.map(attempt(() => transport.createBidirectionalStream()), (stream) => {
    const reader: ReadableStreamDefaultReader<Uint8Array> = stream.readable.getReader()
    const writer: WritableStreamDefaultWriter<Uint8Array> = stream.writable.getWriter()
    return {
      reader,
      writer,
      write: (chunk: Uint8Array | string) =>
        attempt(() => writer.write(typeof chunk === "string" ? bytes(chunk) : chunk)),
      end: attempt(() => writer.close()),
      read: attempt(() => reader.read()),
      /** Reads until `length` bytes have come. */
      readText: (length: number) =>
        attempt(async () => {
          let all = ""
          while (all.length < length) {
            const next = await reader.read()
            if (next.done) return `${all}<end>`
            all += text(next.value)
          }
          return all
        }),
      readAll: attempt(async () => {
        const chunks: Array<Uint8Array> = []
        for (;;) {
          const next = await reader.read()
          if (next.done) return Buffer.concat(chunks)
          chunks.push(next.value)
        }
      })
    }
  })

/** The status of the answer to a CONNECT, without a WebTransport client. */
const connectStatus = (server: TestServer.Service, path: string) =>
  Effect.async<number | undefined, unknown>((resume) => {
    const session = connectHttp2(server.url("/"), { ca: server.cert, checkServerIdentity: () => undefined })
    session.on("error", (cause) => resume(Effect.fail(cause)))
    session.once("remoteSettings", () => {
      const stream = session.request({
        ":method": "CONNECT",
        ":protocol": "webtransport",
        ":scheme": "https",
        ":authority": `127.0.0.1:${server.port}`,
        ":path": path
      })
      stream.on("error", () => {})
      stream.on("response", (headers) => {
        session.destroy()
        resume(Effect.succeed(headers[":status"]))
      })
    })
    return Effect.sync(() => session.destroy())
  })

/** The files of a folder, and of those in it. */
const filesOf = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name))

it("tests, examples and benchmarks have no servers but the library's, and silence no console", () => {
  const raw = /(from|import\(?)\s*"@fails-components|new Http[23]Server|\bServer\.bind\(/
  const silenced = /console(\.\w+|\[\w+\]) = (console\.\w+ = )*\(\) => (\{\}|undefined)/
  const found = ["test", "examples", "benchmark"].flatMap(filesOf).filter((file) => {
    const text = readFileSync(file, "utf8")
    return raw.test(text) || silenced.test(text)
  })
  expect(found).toEqual([])
})

describe("certificate", () => {
  it("is self-signed ECDSA P-256 for loopback, valid now and for less than 14 days", async () => {
    const { cert, hash, hashHex, key } = await makeCertificate()
    const parsed = new X509Certificate(cert)
    expect(parsed.publicKey.asymmetricKeyType).toBe("ec")
    expect(parsed.publicKey.asymmetricKeyDetails?.namedCurve).toBe("prime256v1")
    expect(parsed.checkIP("127.0.0.1")).toBe("127.0.0.1")
    expect(parsed.checkHost("localhost")).toBe("localhost")
    expect(parsed.verify(parsed.publicKey)).toBe(true)
    const from = Date.parse(parsed.validFrom)
    const to = Date.parse(parsed.validTo)
    expect(from).toBeLessThan(Date.now())
    expect(to - from).toBeLessThan(14 * 24 * 60 * 60 * 1000)
    expect(parsed.fingerprint256.replaceAll(":", "").toLowerCase()).toBe(hashHex)
    expect(Buffer.from(hash).toString("hex")).toBe(hashHex)
    expect(hash.byteOffset).toBe(0)
    expect(hash.buffer.byteLength).toBe(32)
    expect(key).toContain("BEGIN PRIVATE KEY")
  })
})

layer(TestServer.layer())("a shared server", (it) => {
  it.scoped("/echo echoes streams, FIN after FIN, and datagrams", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const transport = yield* connect(server, "/echo?basic")
      const stream = yield* openStream(transport)
      yield* stream.write("hello")
      expect(yield* stream.readText(5)).toBe("hello")
      yield* stream.end
      expect(yield* stream.readAll).toHaveLength(0)
      const datagrams = transport.datagrams.readable.getReader()
      const writer = (transport.datagrams as any).createWritable().getWriter()
      yield* attempt(() => writer.write(bytes("datagram")))
      expect(text((yield* attempt(() => datagrams.read())).value)).toBe("datagram")
      const stats = yield* server.statsOf("/echo?basic")
      expect(stats).toEqual({
        requests: 1,
        sessionsAccepted: 1,
        sessionsOpen: 1,
        streamsAccepted: 1,
        streamsOpen: 0,
        streamsFinished: 1,
        streamsReset: 0,
        unidirectionalAccepted: 0,
        datagramsReceived: 1,
        bytesReceived: 5
      })
      transport.close()
      yield* server.until((stats) => stats.paths["/echo?basic"]?.sessionsOpen === 0)
    }))

  let attempts = 0
  it.scoped("does not show a further attempt of a test what the attempt before has done", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const path = "/framed?attempts"
      const stream = yield* openStream(yield* connect(server, path))
      yield* stream.write("\u0005hello")
      yield* stream.readText(6)
      expect(yield* server.command("requests", { path })).toEqual({ hello: 1 })
      expect(yield* server.statsOf(path)).toMatchObject({ sessionsAccepted: 1, streamsAccepted: 1 })
      const { paths } = yield* server.until(({ paths }) => paths[path]?.streamsAccepted === 1)
      expect(paths[path]?.bytesReceived).toBe(6)
      expect(yield* server.command("closeSessions", { path })).toEqual({ sessions: 1 })
      expect(attempts++).toBe(1)
    }), { retry: 1 })

  it.scoped("records unidirectional streams, and answers them if asked to", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const transport = yield* connect(server, "/echo?uni=1")
      const writable = yield* attempt(() => transport.createUnidirectionalStream())
      const writer = writable.getWriter()
      yield* attempt(() => writer.write(bytes("one way")))
      yield* attempt(() => writer.close())
      const incoming = transport.incomingUnidirectionalStreams.getReader()
      const answer: ReadableStream<Uint8Array> = (yield* attempt(() => incoming.read())).value
      const reader = answer.getReader()
      expect(text((yield* attempt(() => reader.read())).value!)).toBe("one way")
      expect(yield* server.command("received", { path: "/echo?uni=1" })).toEqual([{
        path: "/echo?uni=1",
        bytes: 7,
        sha256: createHash("sha256").update("one way").digest("hex"),
        text: "one way"
      }])
    }))

  it.scoped("/close closes the session with its code and reason", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const transport = yield* connect(server, "/close?code=7&reason=bye&afterMs=20")
      const info = yield* attempt(() => transport.closed)
      expect(info).toMatchObject({ closeCode: 7, reason: "bye" })
    }))

  it.scoped("/silent reads and never answers", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const transport = yield* connect(server, "/silent")
      const stream = yield* openStream(transport)
      yield* stream.write("anybody there?")
      yield* server.until((stats) => stats.paths["/silent"]?.bytesReceived === 14)
      expect((yield* server.statsOf("/silent")).streamsOpen).toBe(1)
      yield* stream.end
      yield* server.until((stats) => stats.paths["/silent"]?.streamsOpen === 0)
    }))

  it.scoped("/fin ends each stream at once", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const stream = yield* openStream(yield* connect(server, "/fin"))
      expect((yield* stream.read).done).toBe(true)
    }))

  it.scoped("/reset resets each stream with code 42 after its first bytes", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const stream = yield* openStream(yield* connect(server, "/reset"))
      yield* stream.write("x")
      const error = yield* Effect.flip(stream.read)
      expect(String(error)).toContain("Resetstream with code:42")
    }))

  it.scoped("/stop asks to stop sending with code 42 after the first bytes", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const stream = yield* openStream(yield* connect(server, "/stop"))
      yield* stream.write("x")
      const error = yield* Effect.flip(attempt(() => stream.writer.closed))
      expect(String(error)).toContain("StopSending with code:42")
    }))

  it.scoped("/unsolicited speaks first, then echoes", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const stream = yield* openStream(yield* connect(server, "/unsolicited?text=hi"))
      expect(yield* stream.readText(2)).toBe("hi")
      yield* stream.write("x")
      expect(yield* stream.readText(1)).toBe("x")
    }))

  it.scoped("/unsolicited?when=first speaks after its first answer", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const stream = yield* openStream(yield* connect(server, "/unsolicited?when=first&text=more&afterMs=2"))
      yield* stream.write("x")
      expect(yield* stream.readText(5)).toBe("xmore")
    }))

  for (const ms of [0, 3]) {
    it.scoped(`/twice echoes each chunk twice, ${ms} ms apart`, () =>
      Effect.gen(function*() {
        const server = yield* TestServer.TestServer
        const stream = yield* openStream(yield* connect(server, `/twice?ms=${ms}`))
        yield* stream.write("ab")
        expect(yield* stream.readText(4)).toBe("abab")
        yield* stream.write("cd")
        yield* stream.end
        expect((yield* stream.readAll).toString()).toBe("cdcd")
      }))
  }

  it.scoped("/slow accepts the session later", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const path = "/slow?ms=1000"
      const began = performance.now()
      const transport = yield* RawClient.begin(server.url(path), server.hash)
      yield* attempt(() => transport.ready)
      // a timer may be early by a fraction of a millisecond
      expect(performance.now() - began).toBeGreaterThan(998)
      const stream = yield* openStream(transport)
      yield* stream.write("at last")
      expect(yield* stream.readText(7)).toBe("at last")
    }))

  it.scoped("/slow survives a client that does not wait", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const path = "/slow?ms=50&gone"
      yield* Effect.scoped(Effect.andThen(
        RawClient.begin(server.url(path), server.hash),
        server.until((stats) => stats.paths[path]?.requests === 1)
      ))
      expect(yield* connectStatus(server, "/slow?ms=100")).toBe(200)
      expect(yield* server.stderr).toBe("")
    }))

  it.scoped("/never leaves the CONNECT without an answer", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const transport = yield* RawClient.begin(server.url("/never"), server.hash)
      yield* server.until((stats) => stats.paths["/never"]?.requests === 1)
      // another session comes and goes meanwhile
      expect(yield* connectStatus(server, "/echo")).toBe(200)
      const state = yield* attempt(() =>
        Promise.race([transport.ready.then(() => "ready", () => "failed"), Promise.resolve("pending")])
      )
      expect(state).toBe("pending")
    }))

  it.scoped("/refuse answers the CONNECT with 405, others with 404", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      expect(yield* connectStatus(server, "/refuse")).toBe(405)
      expect(yield* connectStatus(server, "/refuse?status=503")).toBe(503)
      expect(yield* connectStatus(server, "/nothing")).toBe(404)
      expect(yield* connectStatus(server, "/")).toBe(404)
      expect(yield* connectStatus(server, "/toString")).toBe(404)
      yield* Effect.flip(connect(server, "/refuse"))
      yield* Effect.flip(connect(server, "/nothing"))
    }))

  it.scoped("/sink answers with what it received, for 10 MB", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const size = 10_000_000
      const stream = yield* openStream(yield* connect(server, "/sink"))
      const all = pattern(0, size)
      for (let offset = 0; offset < size; offset += 65_536) yield* stream.write(all.subarray(offset, offset + 65_536))
      yield* stream.end
      const sha256 = createHash("sha256").update(all).digest("hex")
      expect(JSON.parse((yield* stream.readAll).toString())).toEqual({ bytes: size, sha256 })
    }))

  it.scoped("/source sends 10 MB of the pattern", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const size = 10_000_000
      const transport = yield* connect(server, `/source/${size}`, { initialSessionFlowControlWindow: 15 << 20 })
      const stream = yield* openStream(transport)
      const all = yield* stream.readAll
      expect(all.byteLength).toBe(size)
      expect(all.equals(pattern(0, size))).toBe(true)
    }))

  it.scoped("closes sessions, opens streams and sends datagrams on command", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const path = "/silent?commands"
      const transport = yield* connect(server, path)
      yield* server.until((stats) => stats.paths[path]?.sessionsOpen === 1)

      const unidirectional = transport.incomingUnidirectionalStreams.getReader()
      expect(yield* server.command("openUnidirectional", { path, size: 3, fin: true })).toEqual({ streams: 1 })
      const uni: ReadableStream<Uint8Array> = (yield* attempt(() => unidirectional.read())).value
      const uniReader = uni.getReader()
      expect((yield* attempt(() => uniReader.read())).value).toEqual(pattern(0, 3))
      expect((yield* attempt(() => uniReader.read())).done).toBe(true)

      const bidirectional = transport.incomingBidirectionalStreams.getReader()
      expect(yield* server.command("openBidirectional", { path, count: 2, size: 4 })).toEqual({ streams: 2 })
      yield* attempt(() => bidirectional.read())
      const second: { readable: ReadableStream<Uint8Array> } = (yield* attempt(() => bidirectional.read())).value
      const secondReader = second.readable.getReader()
      expect((yield* attempt(() => secondReader.read())).value).toEqual(pattern(0, 4))

      const datagrams = transport.datagrams.readable.getReader()
      expect(yield* server.command("sendDatagrams", { path, count: 3, size: 2 })).toEqual({ datagrams: 3 })
      for (let i = 0; i < 3; i++) {
        expect((yield* attempt(() => datagrams.read())).value).toEqual(pattern(i, 2))
      }

      expect(yield* server.command("closeSessions", { path, code: 9, reason: "enough" })).toEqual({ sessions: 1 })
      expect(yield* attempt(() => transport.closed)).toMatchObject({ closeCode: 9, reason: "enough" })
      yield* server.until((stats) => stats.paths[path]?.sessionsOpen === 0)
    }))

  it.scoped("accepts on the silent port, says nothing and counts", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const socket = yield* Effect.acquireRelease(
        Effect.sync(() => connectTcp(Number(new URL(server.silentUrl("/")).port), "127.0.0.1")),
        (socket) => Effect.sync(() => socket.destroy())
      )
      yield* server.until((stats) => stats.silentSocketsOpen === 1)
      socket.destroy()
      const stats = yield* server.until((stats) => stats.silentSocketsOpen === 0)
      expect(stats.silentSocketsAccepted).toBe(1)
    }))

  it.scoped("counts sockets, and so does this process", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      yield* server.until((stats) => stats.socketsOpen === 0)
      // waits for the sockets of earlier tests
      const isClosed = Effect.repeat(Effect.promise(() => new Promise(setImmediate)), {
        until: () => openSockets() === 0
      })
      yield* isClosed
      yield* Effect.scoped(Effect.gen(function*() {
        yield* connect(server, "/echo")
        expect(openSockets()).toBe(1)
        expect((yield* server.stats).socketsOpen).toBe(1)
      }))
      yield* server.until((stats) => stats.socketsOpen === 0)
      yield* isClosed
    }))

  it.scoped("can cut the connections without dying", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      const transport = yield* connect(server, "/echo")
      expect((yield* server.command("destroySockets")).sockets).toBeGreaterThan(0)
      yield* attempt(() => transport.closed).pipe(Effect.exit)
      expect(yield* connectStatus(server, "/echo")).toBe(200)
    }))

  it.scoped("reports what a client does wrong on stderr only, and nothing so far", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.TestServer
      expect(yield* server.stderr).toBe("")
    }))
})

describe("a server's process", () => {
  it.scopedLive("is gone when the scope is closed, even if it was stopped", () =>
    Effect.gen(function*() {
      const pid = yield* Effect.scoped(Effect.gen(function*() {
        const server = yield* TestServer.start()
        yield* server.stop
        expect(Processes.isAlive(server.pid)).toBe(true)
        return server.pid
      }))
      expect(Processes.isAlive(pid)).toBe(false)
    }))

  it.scopedLive("is killed and restarted with the same ports and certificate", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.start()
      const { pid } = server
      const url = server.url("/echo")
      const silent = server.silentUrl("/")
      const transport = yield* connect(server, "/echo")
      yield* server.kill
      expect(Processes.isAlive(pid)).toBe(false)
      yield* Effect.exit(attempt(() => transport.closed))
      yield* Effect.flip(connect(server, "/echo"))
      yield* server.kill
      yield* server.restart
      expect(server.pid).not.toBe(pid)
      expect(server.url("/echo")).toBe(url)
      expect(server.silentUrl("/")).toBe(silent)
      const stream = yield* openStream(yield* connect(server, "/echo"))
      yield* stream.write("again")
      expect(yield* stream.readText(5)).toBe("again")
    }))

  it.scopedLive("stands still when stopped, and goes on when resumed", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.start()
      const stream = yield* openStream(yield* connect(server, "/echo"))
      yield* server.stop
      expect(Processes.processState(server.pid)).toBe("T")
      yield* stream.write("frozen")
      yield* server.resume
      expect(yield* stream.readText(6)).toBe("frozen")
    }))

  it.scopedLive("lets a command in flight die with it", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.start()
      yield* server.stop
      const fiber = yield* Effect.fork(Effect.exit(server.stats))
      yield* Effect.yieldNow()
      yield* server.kill
      expect((yield* Fiber.join(fiber))._tag).toBe("Failure")
      expect((yield* Effect.exit(server.stats))._tag).toBe("Failure")
    }))

  it.scopedLive("gives as few streams as it was told to", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.start({ initialBidirectionalStreams: 2 })
      const transport = yield* connect(server, "/echo")
      yield* openStream(transport)
      yield* openStream(transport)
      const error = yield* Effect.flip(openStream(transport))
      expect(error).toMatchObject({ name: "QuotaExceededError" })
    }))

  for (const state of ["running", "stopped"]) {
    it.scopedLive(`does not survive a parent that is killed, ${state}`, () =>
      Effect.gen(function*() {
        const parent = yield* Effect.acquireRelease(
          Effect.sync(() => Processes.run(fixture("holdServer"), [state])),
          (parent) => Effect.promise(() => parent.kill())
        )
        const pid = yield* Effect.promise(() =>
          new Promise<number>((resolve) => {
            createInterface({ input: parent.child.stdout }).once("line", (line) => resolve(Number(line)))
          })
        )
        expect(Processes.isAlive(pid)).toBe(true)
        yield* Effect.promise(() => parent.kill())
        while (Processes.isAlive(pid)) yield* Effect.sleep(5)
      }))
  }

  it.live("has a dead port to knock on in vain", () =>
    Effect.gen(function*() {
      const port = yield* TestServer.deadPort
      const code = yield* Effect.async<string | undefined>((resume) => {
        connectTcp(port, "127.0.0.1").on("error", (error) => {
          resume(Effect.succeed((error as NodeJS.ErrnoException).code))
        })
      })
      expect(code).toBe("ECONNREFUSED")
    }))
})

describe("runChild", () => {
  it.live("reports a process that ends by itself", () =>
    Effect.gen(function*() {
      const result = yield* runChild(fixture("lingering"), ["nothing"])
      expect(result).toMatchObject({
        exitCode: 0,
        signal: null,
        timedOut: false,
        exitedAfterDone: expect.any(Number),
        stdout: "before\n",
        stderr: ""
      })
    }))

  it.scopedLive("reports one that a socket keeps alive", () =>
    Effect.gen(function*() {
      const server = yield* TestServer.start()
      const { port } = new URL(server.silentUrl("/"))
      const result = yield* runChild(fixture("lingering"), ["socket", port], { lingerDeadline: 300 })
      expect(result).toMatchObject({
        exitCode: null,
        signal: "SIGKILL",
        timedOut: true,
        exitedAfterDone: undefined,
        stdout: "before\n"
      })
    }))

  it("counts active resources by kind", () => {
    const before = activeResources()["Timeout"] ?? 0
    const timer = setTimeout(() => {}, 60_000)
    expect(activeResources()["Timeout"]).toBe(before + 1)
    clearTimeout(timer)
    expect(activeResources()["Timeout"] ?? 0).toBe(before)
  })
  it("counts TCP and UDP sockets, unreferenced ones too", async () => {
    // waits for the sockets of earlier tests
    await vi.waitUntil(() => networkSockets().tcp === 0, { timeout: 25_000 })
    const before = networkSockets()
    const udp = (await udpSocket(0)).unref()
    const tcp = (await listen(createServer(), 0)).unref()
    const seen = process.platform === "linux" ? 1 : 0
    expect(networkSockets()).toEqual({ tcp: before.tcp + seen, udp: before.udp + seen })
    await Promise.all([new Promise<void>((done) => udp.close(done)), new Promise((done) => tcp.close(done))])
    expect(networkSockets()).toEqual(before)
  })
})
