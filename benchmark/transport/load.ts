/** The requests of the fibers, and their counts. */
import type { Figures } from "../harness/model.js"

/** Counts requests and answers, and tells when there are enough. */
export interface Meter {
  /** Whether to send another request; if so, it counts as sent. */
  take(): boolean
  /** `sent`: a time of `performance.now()`. */
  answered(sent: number): void
}

/** The requests of one fiber, one after another. */
export class Sender {
  readonly size: number
  private readonly meter: Meter
  private readonly message: Uint8Array
  private count = 0
  private sent = 0

  constructor(meter: Meter, fiber: number, size: number) {
    this.meter = meter
    this.size = size
    this.message = new Uint8Array(size).fill(0x2e)
    this.message[size - 1] = fiber
  }

  /** Whether to send another request. */
  take(): boolean {
    return this.meter.take()
  }

  /** The next request. The first byte differs from the request before, the last byte from other fibers' requests. */
  next(): Uint8Array {
    this.message[0] = ++this.count
    this.sent = performance.now()
    return this.message
  }

  answered(answer: Uint8Array): void {
    const { message, size } = this
    if (answer.length !== size || answer[0] !== message[0] || answer[size - 1] !== message[size - 1]) {
      const bytes = (of: Uint8Array) => `${of.length} bytes from ${of[0]} to ${of.at(-1)}`
      throw new Error(`a wrong answer: ${bytes(answer)} to ${bytes(message)}`)
    }
    this.meter.answered(this.sent)
  }
}

export const senders = (meter: Meter, fibers: number, size: number): ReadonlyArray<Sender> =>
  Array.from({ length: fibers }, (_, fiber) => new Sender(meter, fiber, size))

/** Sends for a number of milliseconds. */
export class Stint implements Meter {
  private readonly end: number

  constructor(millis: number) {
    this.end = performance.now() + millis
  }

  take(): boolean {
    return performance.now() < this.end
  }

  answered(): void {}
}

const settlingMillis = 100

/**
 * Measures a window in the middle of a steady load. The window starts and ends with an answer, and the fibers do not stop
 * there. How they begin, and how the last of them end, does not count.
 */
export class Window implements Meter {
  private readonly millis: number
  private readonly fibers: number
  private readonly start = performance.now()
  private uncounted = 0
  private cpuBefore: NodeJS.CpuUsage | undefined
  private begin = 0
  private readonly latencies: Array<number> = []
  private closed: { readonly millis: number; readonly cpu: NodeJS.CpuUsage } | undefined

  /** The window is longer if the fibers have not had four answers each by then: they tend to be answered all at once. */
  constructor(millis: number, fibers: number) {
    this.millis = millis
    this.fibers = fibers
  }

  take(): boolean {
    return this.closed === undefined
  }

  answered(sent: number): void {
    if (this.closed !== undefined) return
    const now = performance.now()
    if (this.cpuBefore === undefined) {
      this.uncounted++
      if (now - this.start < settlingMillis || this.uncounted < this.fibers) return
      this.begin = now
      this.cpuBefore = process.cpuUsage()
      return
    }
    this.latencies.push(now - sent)
    if (now - this.begin < this.millis || this.latencies.length < 4 * this.fibers) return
    this.closed = { millis: now - this.begin, cpu: process.cpuUsage(this.cpuBefore) }
  }

  get figures(): Figures {
    if (this.closed === undefined) throw new Error("the fibers ended before the window did")
    const { cpu, millis } = this.closed
    const latencies = this.latencies.toSorted((a, b) => a - b)
    const quantile = (q: number) => latencies[Math.ceil(q * latencies.length) - 1]!
    return {
      perSecond: [latencies.length / millis * 1_000],
      median: [quantile(0.5)],
      p99: [quantile(0.99)],
      cpu: [(cpu.user + cpu.system) / latencies.length]
    }
  }
}

/** Sends a number of requests. */
export class Count implements Meter {
  private toSend: number

  constructor(requests: number) {
    this.toSend = requests
  }

  take(): boolean {
    return this.toSend-- > 0
  }

  answered(): void {}
}
