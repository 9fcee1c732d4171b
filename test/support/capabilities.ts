import { major } from "#test/major"
import { inject } from "vitest"

interface Capability {
  readonly http2: boolean
  readonly http3: boolean
  /** Chromium 156. */
  readonly browser: boolean
  /** Firefox 153. */
  readonly firefox: boolean
  /** Why an implementation lacks the capability. */
  readonly why: string
}

const isLinux = inject("platform") === "linux"

// @fails-components/webtransport 1.6.8 at both ends of HTTP/2, @moq/web-transport 0.1.4 at both ends of HTTP/3
const table = {
  /** A killed server, or a cut connection, ends its sessions within a moment. */
  noticesDeath: {
    http2: true,
    http3: false,
    browser: false,
    firefox: false,
    why: "QUIC is told nothing of a dead peer: a session ends after 30 s without a packet"
  },
  /** A connect to a port without a listener fails at once. */
  hearsRefusal: {
    http2: true,
    http3: false,
    browser: true,
    firefox: false,
    why: "the client does not look at what UDP is told: an attempt fails after 30 s"
  },
  /** A session's client hears that its server drains. */
  hearsDraining: {
    http2: true,
    http3: false,
    browser: false,
    firefox: false,
    why: "the server's package sends no DRAIN"
  },
  /** A stream that its peer has stopped is broken before the next write. */
  hearsStop: {
    http2: true,
    http3: false,
    browser: false,
    firefox: false,
    why: "the client's `writer.closed` stays pending"
  },
  /** A stream that its peer has stopped can be read on. */
  readsAfterStop: {
    http2: true,
    http3: true,
    browser: true,
    firefox: false,
    why: "both directions break at the next write"
  },
  /** The server sees the end of a stream's other direction after it has reset its own. */
  hearsAfterReset: {
    http2: false,
    http3: true,
    browser: true,
    firefox: false,
    why: "the server's own reset ends both directions"
  },
  /** Streams that end with their session have the code and the reason of the peer's close. */
  endsSessionFirst: {
    http2: true,
    http3: false,
    browser: false,
    firefox: false,
    why: "streams break a moment before `closed` settles, and say that it is the session, but not why it ended"
  },
  /** Bytes that arrived before the session was closed can be read afterwards. */
  readsAfterClose: {
    http2: true,
    http3: false,
    browser: false,
    firefox: false,
    why: "a closed QUIC connection drops unread bytes"
  },
  /** A closing session first delivers the bytes of streams that ended in success. */
  deliversBeforeClose: {
    http2: true,
    http3: false,
    browser: true,
    firefox: false,
    why: "up to 10 MB are in the client's buffers; nothing says how much of that was sent, and closing drops it"
  },
  /** A stream that ends in success right after its last write delivers that write. */
  deliversLastWrites: {
    http2: true,
    http3: true,
    browser: true,
    firefox: false,
    why: "the client often loses what was written just before the end"
  },
  /** Bytes that the peer writes at once, or without a pause, arrive together. */
  deliversTogether: {
    http2: true,
    http3: false,
    browser: false,
    firefox: false,
    why: "each write may travel in a packet of its own, and arrive when its stream has been lent again"
  },
  /** A server that does not read a stream holds its client back. */
  holdsBack: {
    http2: false,
    http3: true,
    browser: true,
    firefox: true,
    why: "the server's transport reads without limit"
  },
  /** The number of streams that the server grants can be set. */
  limitsStreams: {
    http2: true,
    http3: false,
    browser: false,
    firefox: false,
    why: "the server grants 100 at once, whatever it is told"
  },
  /** A request for more streams than the server grants is refused. */
  refusesStreams: {
    http2: true,
    http3: false,
    browser: true,
    firefox: false,
    why: "the client waits until there is one"
  },
  /** A request with `waitUntilAvailable` waits instead. */
  waitsForStreams: {
    http2: true,
    http3: true,
    browser: false,
    firefox: true,
    why: "the browser refuses them, whatever `waitUntilAvailable` says"
  },
  /** The client trusts the certificates in NODE_EXTRA_CA_CERTS. */
  trustsExtraCertificates: {
    http2: true,
    http3: false,
    browser: false,
    firefox: false,
    why: "the client has the system's certificates"
  },
  /** The server sees the TCP connections of its clients. */
  showsConnections: {
    http2: true,
    http3: false,
    browser: false,
    firefox: false,
    why: "QUIC runs in native code, over one UDP socket of the server's"
  },
  /** The client's sockets can be counted. */
  showsSockets: {
    http2: true,
    http3: isLinux,
    browser: isLinux,
    firefox: false,
    why: "they are native code's, which only Linux lists; Firefox keeps those of ended sessions"
  },
  /** An abandoned connect leaves no socket. */
  endsAttempts: {
    http2: true,
    http3: false,
    browser: false,
    firefox: false,
    why: "clients do not end one before its server has answered: its socket stays until then, or for 30 s and more"
  },
  /** The client sends headers with the CONNECT, and knows the headers of the answer and the status of a refusal. */
  exchangesHeaders: {
    http2: true,
    http3: false,
    browser: false,
    firefox: false,
    why: "the client ignores `headers`, has no `responseHeaders`, and says of a refusal no more than that it is one"
  },
  /** A session has stats. */
  hasStats: {
    http2: true,
    http3: false,
    browser: false,
    firefox: false,
    why: "the client has no `getStats`; Firefox's rejects"
  },
  /** A session has a `reliability`. */
  hasReliability: {
    http2: true,
    http3: false,
    browser: false,
    firefox: true,
    why: "the client has none"
  },
  /** Datagrams may get lost: a session with `requireUnreliable` is granted. */
  isUnreliable: {
    http2: false,
    http3: true,
    browser: true,
    firefox: true,
    why: "HTTP/2 runs over TCP"
  },
  /** Datagrams that the server sends at once all arrive, over loopback. */
  keepsDatagrams: {
    http2: true,
    http3: true,
    browser: true,
    firefox: false,
    why: "the client drops most of them"
  },
  /** The credit of a stream that the client has ended soon comes back. */
  returnsCredit: {
    http2: true,
    http3: true,
    browser: false,
    firefox: true,
    why: "the server leaves a stream that was stopped to its garbage collector; Chromium refuses the 99th meanwhile"
  },
  /** Memory of each stream is retained until its session closes. */
  retainsStreams: {
    http2: true,
    http3: false,
    browser: false,
    firefox: false,
    why: "the client frees a stream that has ended"
  },
  /** The client survives sessions that end while their streams are ending, again and again. */
  survivesFaults: {
    http2: true,
    http3: true,
    browser: false,
    firefox: true,
    why: "a session that is closed while streams on it are ending may crash the page: a null pointer in the renderer"
  },
  /** The client's close of a session waits for the peer. */
  closesWithPeer: {
    http2: true,
    http3: true,
    browser: false,
    firefox: false,
    why: "`closed` settles as soon as `close()` was called"
  },
  /** A write completes later than its borrow: the stream is not back when the next borrower asks. */
  writesLater: {
    http2: true,
    http3: true,
    browser: false,
    firefox: true,
    why: "a small write is done at once"
  }
} as const satisfies Record<string, Capability>

interface MajorCapability {
  readonly effect3: boolean
  readonly effect4: boolean
  /** Why a major lacks the capability. */
  readonly why: string
}

/** What majors of Effect differ in. What only one of them has is tested in the folder of its name. */
const majors = {
  /** A pool is a `Pool` of Effect's own, and an effect that borrows. */
  isEffectPool: {
    effect3: true,
    effect4: false,
    why: "Effect 4's `Pool` is plain data with a state of its own, and classes cannot be effects"
  },
  /** There is a `KeyedPool` of Effect's own, which a pool by key is. */
  hasEffectKeyedPool: {
    effect3: true,
    effect4: false,
    why: "Effect 4 has no `KeyedPool`"
  },
  /** A waiting fiber accepts a stream in the same turn in which the stream arrives. */
  acceptsAtOnce: {
    effect3: true,
    effect4: false,
    why: "fibers of Effect 4 run in later turns of the event loop, and the session may close before"
  },
  /** A fiber's status is another value than the fiber. */
  hasFiberStatus: {
    effect3: true,
    effect4: false,
    why: "a fiber of Effect 4 tells by itself whether it can be interrupted"
  }
} as const satisfies Record<string, MajorCapability>

type What = keyof typeof table | keyof typeof majors

const implementation = inject("protocol")

/**
 * Whether the implementation and the major of Effect under test have the capability. Without it, a test asserts the other
 * outcome, or is not registered. Suites leave out nothing else than this table says.
 */
export const can = (what: What): boolean =>
  what in majors ? majors[what as keyof typeof majors][major] : table[what as keyof typeof table][implementation]

/** `it.scoped` and similar, for a test of a capability. Registers nothing for an implementation without it. */
export const where = <F extends (...args: Array<any>) => unknown>(what: What, it: F): F =>
  can(what) ? it : (() => {}) as unknown as F
