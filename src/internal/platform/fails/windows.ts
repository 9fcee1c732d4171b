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

/*
 * HTTP/2's own windows stay at Node's 64 KiB, though no more of a session is on the way at a time. With 15 MiB, Node (20) gave
 * some bytes twice when much came at once after a pause: it pauses the reading of what it has while it writes.
 */
