/** How `@fails-components/webtransport` (1.6.8) ends the HTTP/2 stream of a session. */

/** The stream of a CONNECT request, as `node:http2` has it. */
export interface ClosableStream {
  close(code?: number): void
  /** Whether `end` was called. */
  readonly writableEnded?: boolean | undefined
  /** Whether all bytes have been handed over since. */
  readonly writableFinished?: boolean | undefined
}

/**
 * If the peer closes a session with code 0, the library closes the stream and destroys it in the same step. If this side has
 * closed the session, too, and still has bytes to send, `close` waits for them, and `destroy` then does not reset the stream,
 * since it counts as closed: as soon as it may send again, Node (20.20) writes empty frames for it without end. Without
 * the `close`, `destroy` resets the stream.
 */
export const skipCloseBeforeDestroy = (stream: ClosableStream): void => {
  const close = stream.close.bind(stream)
  stream.close = (code = 0) => {
    if (code !== 0 || stream.writableEnded !== true || stream.writableFinished === true) close(code)
  }
}
