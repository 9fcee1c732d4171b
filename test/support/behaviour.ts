/** What a behaviour of the server is, and the path that chooses it. */

export interface BidirectionalStream {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
}

export type Reader = ReadableStreamDefaultReader<Uint8Array>
type Writer = WritableStreamDefaultWriter<Uint8Array>

/** The parts of a CONNECT's path. */
export interface Target {
  /** The original path, query included. */
  readonly path: string
  /** The first segment: the behaviour. */
  readonly name: string
  /** The second segment, if any. */
  readonly argument: string | undefined
  readonly text: (parameter: string, otherwise: string) => string
  readonly number: (parameter: string, otherwise: number) => number
}

export const parseTarget = (path: string): Target => {
  const url = new URL(path, "https://127.0.0.1")
  const [, name = "", argument] = url.pathname.split("/")
  const text = (parameter: string, otherwise: string) => url.searchParams.get(parameter) ?? otherwise
  const number = (parameter: string, otherwise: number) => {
    const value = url.searchParams.get(parameter)
    return value === null ? otherwise : Number(value)
  }
  return { path, name, argument, text, number }
}

/** Runs until the server is done with the stream. Rejects when the client or the session broke it. */
export type Behaviour = (reader: Reader, writer: Writer, target: Target) => Promise<void>
