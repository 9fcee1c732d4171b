import { inject } from "vitest"

interface Capability {
  readonly http2: boolean
  readonly http3: boolean
  /** Chromium 156. */
  readonly browser: boolean
  /** Of the implementation that cannot. */
  readonly why: string
}

const isLinux = inject("platform") === "linux"

// @fails-components/webtransport 1.6.8 at both ends of HTTP/2, @moq/web-transport 0.1.4 at both ends of HTTP/3
const table = {
  /** A killed server, and a connection that is cut, end their sessions within a moment. */
  noticesDeath: {
    http2: true,
    http3: false,
    browser: false,
    why: "QUIC is told nothing of a dead peer: a session ends after 30 s without a packet"
  },
  /** To connect where nobody listens fails at once. */
  hearsRefusal: {
    http2: true,
    http3: false,
    browser: true,
    why: "the client does not look at what UDP is told: an attempt fails after 30 s"
  },
  /** A stream that its peer has stopped is known to be broken before the next write. */
  hearsStop: {
    http2: true,
    http3: false,
    browser: false,
    why: "the client's `writer.closed` stays pending"
  },
  /** The server hears of the end of a stream's other direction after it has reset its own. */
  hearsAfterReset: {
    http2: false,
    http3: true,
    browser: true,
    why: "the server's own reset ends both directions"
  },
  /** Streams that end with their session know with which code and words its peer has closed it. */
  endsSessionFirst: {
    http2: true,
    http3: false,
    browser: false,
    why: "streams break a moment before `closed` settles, and say that it is the session, but not why it ended"
  },
  /** What came in before the session was closed can be read after that. */
  readsAfterClose: {
    http2: true,
    http3: false,
    browser: false,
    why: "a closed QUIC connection drops what nobody has read"
  },
  /** A session that is closed delivers first what was written on streams that ended in success. */
  deliversBeforeClose: {
    http2: true,
    http3: false,
    browser: true,
    why: "up to 10 MB are in the client's buffers; nothing says how much of that was sent, and closing drops it"
  },
  /** What the peer writes at once, or one after another without a pause, is there as soon as the first byte is. */
  deliversTogether: {
    http2: true,
    http3: false,
    browser: false,
    why: "each write may travel in a packet of its own, and arrive when its stream has been lent again"
  },
  /** The server grants as many streams as it is told to. */
  limitsStreams: {
    http2: true,
    http3: false,
    browser: false,
    why: "the server grants 100 at once, whatever it is told"
  },
  /** Who asks for more streams than the server grants is refused. */
  refusesStreams: {
    http2: true,
    http3: false,
    browser: true,
    why: "the client waits until there is one"
  },
  /** Who says that they wait for a stream is not refused. */
  waitsForStreams: {
    http2: true,
    http3: true,
    browser: false,
    why: "the browser refuses them, whatever `waitUntilAvailable` says"
  },
  /** It trusts the certificates that NODE_EXTRA_CA_CERTS names. */
  trustsExtraCertificates: {
    http2: true,
    http3: false,
    browser: false,
    why: "the client has the system's certificates"
  },
  /** The server sees the TCP connections of its clients. */
  showsConnections: {
    http2: true,
    http3: false,
    browser: false,
    why: "QUIC runs in native code, over one UDP socket of the server's"
  },
  /** The client's sockets can be counted. */
  showsSockets: {
    http2: true,
    http3: isLinux,
    browser: isLinux,
    why: "they are native code's, which only Linux lists"
  },
  /** An attempt to connect that is given up leaves no socket. */
  endsAttempts: {
    http2: true,
    http3: false,
    browser: false,
    why: "clients do not end one before its server has answered: its socket stays until then, or for 30 s and more"
  },
  /** The headers of a CONNECT are sent, those of its answer known, and the status of a refusal. */
  exchangesHeaders: {
    http2: true,
    http3: false,
    browser: false,
    why: "the client ignores `headers`, has no `responseHeaders`, and says of a refusal no more than that it is one"
  },
  /** A session has stats, and says how reliable it is. */
  hasStats: {
    http2: true,
    http3: false,
    browser: false,
    why: "the client has neither `getStats` nor `reliability`"
  },
  /** What is sent may get lost: a session with `requireUnreliable` is granted. */
  isUnreliable: {
    http2: false,
    http3: true,
    browser: true,
    why: "HTTP/2 runs over TCP"
  },
  /** A stream that the client has ended is soon another one that it may open. */
  returnsCredit: {
    http2: true,
    http3: true,
    browser: false,
    why: "the server leaves a stream that was stopped to its garbage collector; Chromium refuses the 99th meanwhile"
  },
  /** Something of each stream is kept until its session closes. */
  retainsStreams: {
    http2: true,
    http3: false,
    browser: false,
    why: "the client frees a stream that has ended"
  },
  /** It lives through sessions that end while streams on them are ending, again and again. */
  survivesFaults: {
    http2: true,
    http3: true,
    browser: false,
    why: "a session that is closed while streams on it are ending may crash the page: a null pointer in the renderer"
  },
  /** The end of a session that its client closes waits for the peer. */
  closesWithPeer: {
    http2: true,
    http3: true,
    browser: false,
    why: "`closed` settles as soon as `close()` was called"
  },
  /** A write is done later than its borrower: its stream is not yet back when the next one asks. */
  writesLater: {
    http2: true,
    http3: true,
    browser: false,
    why: "a small write is done at once"
  }
} as const satisfies Record<string, Capability>

type What = keyof typeof table

const implementation = inject("protocol")

/**
 * Whether the implementation under test can do so. A test of what it cannot do asserts what happens instead, or is not
 * registered: this table is all that suites leave out.
 */
export const can = (what: What): boolean => table[what][implementation]

/** `it.scoped` and its like for a test of what an implementation can do; registers nothing for one that cannot. */
export const where = <F extends (...args: Array<any>) => unknown>(what: What, it: F): F =>
  can(what) ? it : (() => {}) as unknown as F
