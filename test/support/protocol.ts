/** What the test server's process is started with: one JSON argument. Every member is optional. */
export interface ServerOptions {
  /** `http2` if absent. `http3` needs the native package: see `http3.ts`. */
  readonly protocol?: "http2" | "http3" | undefined
  /** TCP for HTTP/2, UDP for HTTP/3. 0, the default, takes a free one. */
  readonly port?: number | undefined
  readonly silentPort?: number | undefined
  /** PEM; made on the spot if absent. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** How many bidirectional streams a client may open in a session's life, less what it gives back. 1,000,000. */
  readonly initialBidirectionalStreams?: number | undefined
  /** 1,000,000 as well. */
  readonly initialUnidirectionalStreams?: number | undefined
}

/** The one line on stdout that says the server is up. */
export interface Ready {
  readonly port: number
  /** A port that takes what comes and says nothing: TCP for HTTP/2, UDP for HTTP/3. */
  readonly silentPort: number
  readonly hashHex: string
}

/** The server's counts for one path, query included: `/echo?a` and `/echo?b` are counted apart. */
export interface PathStats {
  /** CONNECTs seen, those refused or never answered too. */
  readonly requests: number
  readonly sessionsAccepted: number
  readonly sessionsOpen: number
  /** Bidirectional streams that clients opened. */
  readonly streamsAccepted: number
  /** Those of them that the path's behaviour is not done with: the client neither ended nor reset them. */
  readonly streamsOpen: number
  /** Those that the client finished, and those that it reset or that its session took along. */
  readonly streamsFinished: number
  readonly streamsReset: number
  readonly unidirectionalAccepted: number
  readonly datagramsReceived: number
  /** On streams of either kind, not in datagrams. */
  readonly bytesReceived: number
}

/** Of a path that nobody asked for. */
export const noCounts: PathStats = {
  requests: 0,
  sessionsAccepted: 0,
  sessionsOpen: 0,
  streamsAccepted: 0,
  streamsOpen: 0,
  streamsFinished: 0,
  streamsReset: 0,
  unidirectionalAccepted: 0,
  datagramsReceived: 0,
  bytesReceived: 0
}

export interface Stats extends PathStats {
  readonly paths: Readonly<Record<string, PathStats>>
  /** TCP connections of the WebTransport port; 0 over HTTP/3, and so are the silent port's. */
  readonly socketsOpen: number
  readonly silentSocketsOpen: number
  readonly silentSocketsAccepted: number
}

/** A unidirectional stream that the server read to its end. */
export interface Received {
  readonly path: string
  readonly bytes: number
  readonly sha256: string
  /** The first 1,024 bytes as UTF-8. */
  readonly text: string
}

/** What came of a message that was sent on a stream of its own, without an answer: see `oneWay.ts`. */
export interface Arrival {
  /** Undefined if not even that came. */
  readonly message: number | undefined
  /** All of it came, byte for byte, and nothing else; then a FIN. */
  readonly isWhole: boolean
  /** Without a FIN it was reset, or its session ended. */
  readonly isFinished: boolean
  readonly bytes: number
}

/** Sessions of this path only (as in the CONNECT, query included); all of them if absent. */
export interface Select {
  readonly path?: string | undefined
}

export interface OpenStreams extends Select {
  /** Streams per session. 1. */
  readonly count?: number | undefined
  /** Bytes of `pattern` to write on each. 5. */
  readonly size?: number | undefined
  /** Whether to FIN after them. No. */
  readonly fin?: boolean | undefined
}

/** What becomes of all open bidirectional streams of the clients. */
export interface OnStreams extends Select {
  /** `stop`: asks to stop sending. `send`: the text, unasked. */
  readonly do: "fin" | "reset" | "stop" | "send"
  readonly text?: string | undefined
}

/** The commands that a server takes, by name: what goes in and what comes out. */
export interface Commands {
  readonly stats: readonly [input: {}, output: Stats]
  readonly received: readonly [input: Select, output: ReadonlyArray<Received>]
  /** Answers with how many sessions it closed. */
  readonly closeSessions: readonly [
    input: Select & { readonly code?: number | undefined; readonly reason?: string | undefined },
    output: { readonly sessions: number }
  ]
  /** Answers when the bytes are handed to the transport. Gotcha: a session's first one (id 0) may lose its data. */
  readonly openBidirectional: readonly [input: OpenStreams, output: { readonly streams: number }]
  readonly openUnidirectional: readonly [input: OpenStreams, output: { readonly streams: number }]
  readonly sendDatagrams: readonly [
    input: Select & { readonly count?: number | undefined; readonly size?: number | undefined },
    output: { readonly datagrams: number }
  ]
  readonly onStreams: readonly [input: OnStreams, output: { readonly streams: number }]
  /** How often each request came to `/framed` there. */
  readonly requests: readonly [
    input: { readonly path: string },
    output: Readonly<Record<string, number>>
  ]
  /** What came on the streams of `/oneway` there that have ended since the last time, in the order of their ends. */
  readonly arrivals: readonly [
    input: { readonly path: string },
    output: ReadonlyArray<Arrival>
  ]
  /** Sends the answers to each `ask …` so far again, wherever the stream is still there. */
  readonly secondAnswers: readonly [input: { readonly path: string }, output: { readonly sent: number }]
  /** Cuts the TCP connections of the WebTransport port without a word, and goes on listening. */
  readonly destroySockets: readonly [input: {}, output: { readonly sockets: number }]
}

export type Command = keyof Commands
export type Input<C extends Command> = Commands[C][0]
export type Output<C extends Command> = Commands[C][1]

export interface CommandLine {
  readonly id: number
  readonly command: Command
  readonly input: unknown
}

export type AnswerLine =
  | { readonly id: number; readonly output: unknown }
  | { readonly id: number; readonly error: string }
