/**
 * The main of a process between the pools and their server: passes TCP connections or UDP datagrams on, and does to them
 * what networks do.
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

/** `delay`: milliseconds for everything that passes. `stalled`: nothing passes. `cut`: connections break, too. */
export interface Network {
  readonly delay: number
  readonly state: "open" | "stalled" | "cut"
}

let network: Network = { delay: 0, state: "open" }
const changed = new Set<() => void>()
const target = Number(process.argv[3])

const pairs = new Set<ReadonlyArray<Socket>>()

let onCut = () => {
  for (const [client] of pairs) client!.resetAndDestroy()
}

/** In order, since each chunk waits for the one before it. */
const passOn = async (from: Socket, to: Socket): Promise<void> => {
  const waits: Array<Promise<void>> = []
  let last = Promise.resolve()
  for await (const chunk of from) {
    const { delay } = network
    const ripe = delay === 0 ? undefined : new Promise<void>((resolve) => setTimeout(resolve, delay))
    last = last.then(async () => {
      await ripe
      while (network.state === "stalled") await new Promise<void>((resolve) => changed.add(resolve))
      if (!to.destroyed) to.write(chunk)
    })
    // what is under way is bounded, as in a real network
    waits.push(last)
    if (waits.length > 64) await waits.shift()
  }
  await last
  to.end()
}

const tcp = async (): Promise<number> => {
  const server = await listen(
    createServer({ noDelay: true }, (client) => {
      if (network.state === "cut") return void client.resetAndDestroy()
      const upstream = connect({ port: target, host: "127.0.0.1", noDelay: true })
      const pair = [client, upstream]
      pairs.add(pair)
      const end = () => {
        pairs.delete(pair)
        for (const socket of pair) socket.destroy()
      }
      for (const socket of pair) socket.on("error", end).on("close", end)
      passOn(client, upstream).catch(end)
      passOn(upstream, client).catch(end)
    }),
    0
  )
  return (server.address() as { readonly port: number }).port
}

const udp = async (): Promise<number> => {
  const front = await udpSocket(0)
  const backs = new Map<string, ReturnType<typeof createSocket>>()
  // a network that comes back on another path: what was under way is nobody's
  onCut = () => {
    for (const back of backs.values()) back.close()
    backs.clear()
  }
  const pass = (send: () => void) => {
    if (network.state !== "open") return
    if (network.delay === 0) send()
    else setTimeout(send, network.delay)
  }
  const backFor = (client: RemoteInfo) => {
    const key = `${client.address}:${client.port}`
    const known = backs.get(key)
    if (known !== undefined) return known
    const back = createSocket("udp4")
    back.on("error", () => {})
    back.on("message", (data) => pass(() => front.send(data, client.port, client.address)))
    backs.set(key, back)
    return back
  }
  front.on("message", (data, client) => pass(() => backFor(client).send(data, target, "127.0.0.1")))
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
