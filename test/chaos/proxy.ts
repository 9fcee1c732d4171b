/**
 * The main of a process between the pools and their server: passes on TCP connections or UDP datagrams, with the faults of
 * real networks.
 *
 * Started as `node --import tsx proxy.ts tcp|udp <port of the server>`; prints its own port, then obeys each line of
 * JSON on stdin (`Network`), and ends when stdin does.
 */
import type { RemoteInfo } from "node:dgram"
import { createSocket } from "node:dgram"
import type { Socket } from "node:net"
import { connect, createServer } from "node:net"
import { createInterface } from "node:readline"
import { listen, udpSocket } from "../support/ports.js"

/**
 * `delay`: milliseconds for everything that passes. `rate`: bytes a second each way, of all connections together; no limit
 * if absent. `stalled`: nothing passes. `cut`: connections break, too.
 */
export interface Network {
  readonly delay: number
  readonly rate?: number | undefined
  readonly state: "open" | "stalled" | "cut"
}

let network: Network = { delay: 0, state: "open" }

/** One direction of the network. */
class Way {
  private freeAt = 0

  /** Adds `size` bytes. Returns after how many milliseconds they have passed; `undefined` without a rate. */
  take(size: number): number | undefined {
    const { rate } = network
    if (rate === undefined) return undefined
    const now = performance.now()
    this.freeAt = Math.max(now, this.freeAt) + size / rate * 1_000
    return this.freeAt - now
  }

  /** How many milliseconds the bytes so far still need. */
  get backlog(): number {
    return this.freeAt - performance.now()
  }
}

/** The number of bytes that pass together. */
const packets = 4_096

const ways = { up: new Way(), down: new Way() }
const changed = new Set<() => void>()
const target = Number(process.argv[3])

const pairs = new Set<ReadonlyArray<Socket>>()

let onCut = () => {
  for (const [client] of pairs) client!.resetAndDestroy()
}

/** Passes chunks on in order: each chunk waits for the chunk before it. */
const passOn = async (from: Socket, to: Socket, way: Way): Promise<void> => {
  const waits: Array<Promise<void>> = []
  let last = Promise.resolve()
  for await (const chunk of from) {
    // it reads no more meanwhile, which holds the sender back; and connections take turns, as packets do
    for (let at = 0; at < chunk.length; at += packets) {
      const slow = way.take(Math.min(packets, chunk.length - at))
      if (slow !== undefined) await new Promise<void>((resolve) => setTimeout(resolve, slow))
    }
    const { delay } = network
    const ripe = delay === 0 ? undefined : new Promise<void>((resolve) => setTimeout(resolve, delay))
    last = last.then(async () => {
      await ripe
      while (network.state === "stalled") await new Promise<void>((resolve) => changed.add(resolve))
      if (!to.destroyed) to.write(chunk)
    })
    // the bytes under way are bounded, as in a real network
    waits.push(last)
    if (waits.length > 64) await waits.shift()
  }
  await last
  await new Promise<void>((resolve) => to.end(resolve))
}

const tcp = async (): Promise<number> => {
  const server = await listen(
    createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
      if (network.state === "cut") return void client.resetAndDestroy()
      const upstream = connect({ port: target, host: "127.0.0.1", noDelay: true, allowHalfOpen: true })
      const pair = [client, upstream]
      pairs.add(pair)
      const end = () => {
        pairs.delete(pair)
        for (const socket of pair) socket.destroy()
      }
      for (const socket of pair) socket.on("error", end)
      // bytes that one side has sent before its end still have to pass
      Promise.all([passOn(client, upstream, ways.up), passOn(upstream, client, ways.down)]).then(end, end)
    }),
    0
  )
  return (server.address() as { readonly port: number }).port
}

/** The longest queue of a slow network, in milliseconds; more datagrams are lost. */
const longestQueue = 200

const udp = async (): Promise<number> => {
  const front = await udpSocket(0)
  const backs = new Map<string, ReturnType<typeof createSocket>>()
  // the network comes back on another path: datagrams under way are lost
  onCut = () => {
    for (const back of backs.values()) back.close()
    backs.clear()
  }
  const pass = (data: Buffer, way: Way, send: () => void) => {
    if (network.state !== "open") return
    // like a router with little memory
    if (network.rate !== undefined && way.backlog > longestQueue) return
    const wait = network.delay + (way.take(data.length) ?? 0)
    if (wait === 0) send()
    else setTimeout(send, wait)
  }
  const backFor = (client: RemoteInfo) => {
    const key = `${client.address}:${client.port}`
    const known = backs.get(key)
    if (known !== undefined) return known
    const back = createSocket("udp4")
    back.on("error", () => {})
    back.on("message", (data) => pass(data, ways.down, () => front.send(data, client.port, client.address)))
    backs.set(key, back)
    return back
  }
  front.on("message", (data, client) => pass(data, ways.up, () => backFor(client).send(data, target, "127.0.0.1")))
  return front.address().port
}

process.stdout.write(`${await (process.argv[2] === "udp" ? udp() : tcp())}\n`)

createInterface({ input: process.stdin })
  .on("line", (line) => {
    network = JSON.parse(line)
    if (network.state === "cut") onCut()
    for (const resume of changed) resume()
    changed.clear()
  })
  .on("close", () => process.exit(0))
