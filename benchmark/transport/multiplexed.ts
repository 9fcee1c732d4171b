/** Requests that share streams: with a pool, by hand in plain JavaScript, and with `@effect/rpc`. */
import * as Socket from "@effect/platform/Socket"
import * as RpcClient from "@effect/rpc/RpcClient"
import * as RpcSerialization from "@effect/rpc/RpcSerialization"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RequestPool from "../../src/RequestPool.js"
import * as SessionPool from "../../src/SessionPool.js"
import * as StreamPool from "../../src/StreamPool.js"
import {
  connectOptions,
  type Contestant,
  type Drive,
  drive,
  openRaw,
  peers,
  pooled,
  pooledOn,
  type RawStream
} from "./contestants.js"
import { startedServer, type Target } from "./echoServer.js"
import { Echo } from "./procedures.js"

const maxStreams = 4

/** As many as share a stream by default, and more only if there are more fibers than the default has places for. */
const maxInFlight = (fibers: number) => Math.max(64, Math.ceil(fibers / maxStreams))

const sessions = (target: Target) => SessionPool.make({ url: target.url, connect: connectOptions(target), maxSize: 1 })

/** An echo repeats the id, too. */
export const shared: Contestant = {
  peer: peers.shared,
  open: (target, fibers) =>
    Effect.gen(function*() {
      const sessionPool = yield* sessions(target)
      const pool = yield* RequestPool.make({ sessionPool, maxStreams, maxInFlight: maxInFlight(fibers) })
      return drive(pool.request)
    })
}

/** More streams do not make it faster. */
const maxExclusive = 64

export const exclusive: Contestant = {
  peer: peers.pooled,
  open: (target, fibers) => pooled.open(target, Math.min(fibers, maxExclusive))
}

/** Large messages are fastest on one session. */
export const exclusiveOfOne: Contestant = {
  peer: peers.pooledOfOne,
  open: (target, fibers) => pooledOn(target, fibers, 1)
}

export const request: Contestant = {
  peer: peers.request,
  open: (target, fibers) =>
    Effect.gen(function*() {
      const maxSize = Math.min(fibers, maxExclusive)
      const sessionPool = yield* SessionPool.make({ url: target.url, connect: connectOptions(target), maxSize: 4 })
      const pool = yield* StreamPool.make({
        sessionPool,
        minSize: maxSize,
        maxSize,
        maxStreamsPerSession: Math.ceil(maxSize / 4)
      })
      yield* pool.ready
      return drive((message) => pool.request(message))
    })
}

const headerSize = 8

/** Messages behind a header of their length and their id; those of a turn leave in one write. */
class Multiplexer {
  private readonly stream: RawStream
  private readonly answers = new Map<number, (answer: Uint8Array) => void>()
  private batch: Array<{ readonly id: number; readonly message: Uint8Array }> = []
  private ids = 0
  private rest: Uint8Array = new Uint8Array(0)

  constructor(stream: RawStream) {
    this.stream = stream
    // it ends with its session
    this.read().catch(() => {})
  }

  request(message: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve) => {
      const id = this.ids++ >>> 0
      const isAlone = this.answers.size === 0
      this.answers.set(id, resolve)
      if (this.batch.push({ id, message }) > 1) return
      if (isAlone) queueMicrotask(this.write)
      else setImmediate(this.write)
    })
  }

  private readonly write = (): void => {
    const { batch } = this
    this.batch = []
    const bytes = Buffer.allocUnsafeSlow(batch.reduce((size, { message }) => size + headerSize + message.length, 0))
    let at = 0
    for (const { id, message } of batch) {
      bytes.writeUInt32BE(message.length, at)
      bytes.writeUInt32BE(id, at + 4)
      bytes.set(message, at + headerSize)
      at += headerSize + message.length
    }
    this.stream.writer.write(bytes).catch(() => {})
  }

  private async read(): Promise<void> {
    for (;;) {
      const { done, value } = await this.stream.reader.read()
      if (done) return
      const chunk = this.rest.length === 0 ? Buffer.from(value.buffer, value.byteOffset, value.length) : Buffer.concat([
        this.rest,
        value
      ])
      let at = 0
      while (chunk.length - at >= headerSize) {
        const end = at + headerSize + chunk.readUInt32BE(at)
        if (end > chunk.length) break
        const id = chunk.readUInt32BE(at + 4)
        const resolve = this.answers.get(id)!
        this.answers.delete(id)
        resolve(new Uint8Array(chunk.subarray(at + headerSize, end)))
        at = end
      }
      this.rest = chunk.subarray(at)
    }
  }
}

export const byHand: Contestant = {
  peer: peers.byHand,
  open: (target, fibers) =>
    Effect.map(
      openRaw(target, { sessionCount: 1, streamCount: Math.ceil(fibers / maxInFlight(fibers)) }),
      (streams): Drive => {
        const multiplexers = streams.map((stream) => new Multiplexer(stream))
        return (senders) =>
          Effect.promise(() =>
            Promise.all(senders.map(async (sender, fiber) => {
              const multiplexer = multiplexers[fiber % multiplexers.length]!
              while (sender.take()) sender.answered(await multiplexer.request(sender.next()))
            }))
          )
      }
    )
}

export const rpc: Contestant = {
  peer: peers.rpc,
  open: () =>
    Effect.gen(function*() {
      const target = startedServer("rpc")
      const pool = yield* StreamPool.make({ sessionPool: yield* sessions(target) })
      const protocol = RpcClient.layerProtocolSocket().pipe(
        Layer.provide([Layer.effect(Socket.Socket, pool.makeSocket), RpcSerialization.layerMsgPack])
      )
      const client = yield* Effect.provide(RpcClient.make(Echo), yield* Layer.build(protocol))
      return drive((message) => client.Echo(message))
    })
}
