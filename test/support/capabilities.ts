import { inject } from "vitest"

interface Capability {
  readonly http2: boolean
  readonly http3: boolean
  /** Of the implementation that cannot. */
  readonly why: string
}

const table = {
  /** A killed server ends its sessions within a moment. */
  noticesDeath: {
    http2: true,
    http3: false,
    why: "QUIC is told nothing of a dead peer: a session ends after 30 s without a packet (@moq/web-transport 0.1.4)"
  },
  /** The server hears of the end of a stream's other direction after it has reset its own. */
  hearsAfterReset: {
    http2: false,
    http3: true,
    why: "the server's own reset ends both directions (@fails-components/webtransport 1.6.8)"
  },
  /** A write of any size is queued at once, and copied. */
  queuesLargeWrites: {
    http2: true,
    http3: false,
    why: "only NodeWebTransport says that it retains what is written, and so has it copied"
  },
  /** What the peer writes at once, or one after another without a pause, is there as soon as the first byte is. */
  deliversTogether: {
    http2: true,
    http3: false,
    why: "each write may travel in a packet of its own, and arrive when its stream has been lent again"
  }
} as const satisfies Record<string, Capability>

const protocol = inject("protocol")

/**
 * Whether the implementation under test can do so. A test of what it cannot do asserts what happens instead, or is not
 * registered: this table is all that suites leave out.
 */
export const can = (what: keyof typeof table): boolean => table[what][protocol]
