/** What fibers send, and what is counted of it. */
import type { Figures } from "../harness/model.js"

/** Counts requests and their answers, and says when there were enough. */
export interface Meter {
  /** Whether one more is to be sent; it counts as sent then. */
  take(): boolean
  /** `sent` by `performance.now()`. */
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

  /** Whether there is one more to send. */
  take(): boolean {
    return this.meter.take()
  }

  /** Its first byte tells it from the one before, its last byte from those of other fibers. */
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

/** For so long. */
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
 * Looks at a window in the middle of a steady load: it starts and ends with an answer, at neither of which the fibers
 * stop. How they begin and how the last of them end does not count.
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

  /** Longer where the fibers have not been answered four times by then: they tend to be answered all at once. */
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

/** So many requests. */
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
