import type { Socket } from "node:dgram"
import { createSocket } from "node:dgram"
import { once } from "node:events"
import type { Server } from "node:net"
import { createServer } from "node:net"

// Below the ephemeral range (32768 and up on Linux): a server that restarts finds its port free, although clients and
// port-0 listeners take ports meanwhile, and a client that tries a dead port never connects to itself.
const serverRange = { from: 20_000, size: 9_000 }
const deadRange = { from: 29_000, size: 3_000 }

/** Suites that run at the same time, up to four, have ports of their own. The processes that they start inherit it. */
const worker = Number(process.env["VITEST_POOL_ID"] ?? 0) % 4

const pick = ({ from, size }: { readonly from: number; readonly size: number }): number =>
  from + Math.floor((worker + Math.random()) * size / 4)

export const listen = <S extends Server>(server: S, port: number): Promise<S> =>
  new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject)
      resolve(server)
    })
  })

/** The library's error of a server that cannot listen has Node's as its cause. */
const isTaken = (cause: unknown): boolean =>
  cause instanceof Error && (("code" in cause && cause.code === "EADDRINUSE") || isTaken(cause.cause))

/** Listens on the port; for 0, on a port that is free and stays free when the process dies. */
export const onPort = async <A>(port: number, start: (port: number) => Promise<A>): Promise<A> => {
  for (;;) {
    try {
      return await start(port === 0 ? pick(serverRange) : port)
    } catch (cause) {
      if (port !== 0 || !isTaken(cause)) throw cause
    }
  }
}

/** A port that is free, for a server of another program, and stays free when that server dies. */
export const freePort = (): Promise<number> =>
  onPort(0, async (port) => {
    const server = await listen(createServer(), port)
    await new Promise((resolve) => server.close(resolve))
    return port
  })

/** A UDP socket on the port; for 0, on a port that is free and stays free when the process dies. */
export const udpSocket = (port: number): Promise<Socket> =>
  onPort(port, async (port) => {
    const socket = createSocket("udp4")
    socket.bind(port, "127.0.0.1")
    await once(socket, "listening")
    return socket
  })

/** A port on 127.0.0.1 that no process listens on, and that no test will use. */
export const deadPort = async (): Promise<number> => {
  for (;;) {
    const port = pick(deadRange)
    try {
      const server = await listen(createServer(), port)
      await new Promise((resolve) => server.close(resolve))
      return port
    } catch (cause) {
      if (!isTaken(cause)) throw cause
    }
  }
}
