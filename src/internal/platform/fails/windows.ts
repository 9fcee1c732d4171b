/** A connection of `node:http2`. */
export interface Http2Connection {
  settings(settings: { readonly initialWindowSize: number }): void
  setLocalWindowSize(size: number): void
}

/**
 * The bytes that a peer may send on a stream, and on all streams of a session, before this side has read half of them.
 *
 * By default (1.6.8) a stream has 16 KiB, and a client's whole session has no more. Then a message of 16 KiB waits for a
 * round trip in its middle, because of the length before it, and its sender copies the rest of it with each grant. The
 * package enlarges a window only if it is used up within 50 ms.
 */
export const windows = {
  initialSessionFlowControlWindow: 15 << 20,
  initialStreamFlowControlWindow: 256 << 10
}

/**
 * Opens the windows of HTTP/2 itself. By default its stream, and so the whole session, has 64 KiB on the way at a time,
 * whatever the windows above grant. These windows need hold nobody back: the package takes all bytes as they arrive.
 */
export const widen = (connection: Partial<Http2Connection>): void => {
  const { initialSessionFlowControlWindow: size } = windows
  try {
    connection.settings?.({ initialWindowSize: size })
    connection.setLocalWindowSize?.(size)
  } catch {
    // the connection has ended, or its runtime has no such windows
  }
}
