/** The one JSON argument of the test server's process. Every member is optional. */
export interface ServerOptions {
  /** `http2` if absent. `http3` needs the native package: see `http3.ts`. */
  readonly protocol?: "http2" | "http3" | undefined
  /** TCP for HTTP/2, UDP for HTTP/3. 0, the default, takes a free port. */
  readonly port?: number | undefined
  readonly silentPort?: number | undefined
  /** PEM; the server creates a certificate if absent. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** How many bidirectional streams a client may open, plus the returned credit. Default: 1,000,000. */
  readonly initialBidirectionalStreams?: number | undefined
  /** Default: 1,000,000. */
  readonly initialUnidirectionalStreams?: number | undefined
}

/** The single line on stdout that tells that the server is up. */
export interface Ready {
  readonly port: number
  /** A port that accepts everything and never answers: TCP for HTTP/2, UDP for HTTP/3. */
  readonly silentPort: number
  readonly hashHex: string
}

/** The server's counts for one path, query included: `/echo?a` and `/echo?b` are counted apart. */
export interface PathStats {
  /** All CONNECTs, also refused and unanswered ones. */
  readonly requests: number
  readonly sessionsAccepted: number
  readonly sessionsOpen: number
  /** Bidirectional streams that clients opened. */
  readonly streamsAccepted: number
  /** Accepted streams that the path's behaviour is not done with: the client has not ended or reset them. */
  readonly streamsOpen: number
  /** Streams that the client finished; below, streams that the client reset or that ended with their session. */
  readonly streamsFinished: number
  readonly streamsReset: number
  readonly unidirectionalAccepted: number
  readonly datagramsReceived: number
  /** Bytes on streams of both kinds, without datagrams. */
  readonly bytesReceived: number
}

/** The counts of a path without requests. */
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
  /** TCP connections of the WebTransport port; 0 over HTTP/3, like those of the silent port. */
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

/** The arrival of a message that was sent alone on a stream, without an answer: see `oneWay.ts`. */
export interface Arrival {
  /** The message's number; undefined if it did not arrive. */
  readonly message: number | undefined
  /** The exact message arrived, then a FIN. */
  readonly isWhole: boolean
  /** A FIN arrived. Without it the stream was reset, or its session ended. */
  readonly isFinished: boolean
  readonly bytes: number
}

/** The handlers of a path of `/served`, and how the serving of its streams ended. */
export interface Served {
  readonly begun: number
  readonly running: number
  /** How many ran at once, at most. */
  readonly peak: number
  readonly interrupted: number
  /** `Success`, or the reason of the error. */
  readonly ended: ReadonlyArray<string>
  /** The messages of all log lines. */
  readonly logs: ReadonlyArray<string>
}

/** Only sessions of this path (as in the CONNECT, query included); all sessions if absent. */
export interface Select {
  readonly path?: string | undefined
}

export interface OpenStreams extends Select {
  /** Streams per session. Default: 1. */
  readonly count?: number | undefined
  /** Bytes of `pattern` to write on each stream. Default: 5. */
  readonly size?: number | undefined
  /** Whether to FIN after the bytes. Default: no. */
  readonly fin?: boolean | undefined
}

/** An action on all open bidirectional streams of the clients. */
export interface OnStreams extends Select {
  /** `stop`: asks the client to stop sending. `send`: sends the text, unsolicited. */
  readonly do: "fin" | "reset" | "stop" | "send"
  readonly text?: string | undefined
}

/** The commands of a server, by name, with input and output. */
export interface Commands {
  readonly stats: readonly [input: {}, output: Stats]
  readonly received: readonly [input: Select, output: ReadonlyArray<Received>]
  /** Answers with the number of closed sessions. */
  readonly closeSessions: readonly [
    input: Select & { readonly code?: number | undefined; readonly reason?: string | undefined },
    output: { readonly sessions: number }
  ]
  /** Answers when the bytes are handed to the transport. Gotcha: a session's first stream (id 0) may lose its data. */
  readonly openBidirectional: readonly [input: OpenStreams, output: { readonly streams: number }]
  readonly openUnidirectional: readonly [input: OpenStreams, output: { readonly streams: number }]
  readonly sendDatagrams: readonly [
    input: Select & { readonly count?: number | undefined; readonly size?: number | undefined },
    output: { readonly datagrams: number }
  ]
  readonly onStreams: readonly [input: OnStreams, output: { readonly streams: number }]
  /** How often each request came to this path of `/framed`. */
  readonly requests: readonly [
    input: { readonly path: string },
    output: Readonly<Record<string, number>>
  ]
  /** The arrivals on streams of this path of `/oneway` that have ended since the last call, in the order of their ends. */
  readonly arrivals: readonly [
    input: { readonly path: string },
    output: ReadonlyArray<Arrival>
  ]
  /** Sends the answer to each earlier `ask …` again, if its stream is still open. */
  readonly secondAnswers: readonly [input: { readonly path: string }, output: { readonly sent: number }]
  readonly served: readonly [input: { readonly path: string }, output: Served]
  /** Answers each earlier `hold …`, the last one first, if its stream is still open. */
  readonly heldAnswers: readonly [input: { readonly path: string }, output: { readonly sent: number }]
  /** Reads again on each stream that a `pause …` has stopped. */
  readonly readOn: readonly [input: { readonly path: string }, output: { readonly streams: number }]
  /** Cuts the TCP connections of the WebTransport port, and continues to listen. */
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
