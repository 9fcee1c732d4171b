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

/** The bytes that HTTP/2 itself may have on the way, on a stream and on the connection. */
const windowSize = 128 << 10

/**
 * Widens the windows of HTTP/2 itself. By default its stream, and so the whole session, has 64 KiB on the way at a time,
 * whatever the windows above grant.
 *
 * No wider: a stream counts as stuck if its session makes no progress for `closeTimeout`, and the sender sees progress only
 * when half of a window has been read. On a network of 20 kB/s that takes 3 s with these windows, too long with larger ones.
 */
export const widen = (connection: Partial<Http2Connection>): void => {
  try {
    connection.settings?.({ initialWindowSize: windowSize })
    connection.setLocalWindowSize?.(windowSize)
  } catch {
    // the connection has ended, or its runtime has no such windows
  }
}
