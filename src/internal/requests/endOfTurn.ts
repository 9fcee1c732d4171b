/** The end of a turn of the event loop. */

interface Host {
  readonly setImmediate?: (then: () => void) => unknown
  readonly MessageChannel?: new() => {
    readonly port1: { onmessage: (() => void) | null }
    readonly port2: { postMessage(message: undefined): void }
  }
}

const byMessage = (Channel: NonNullable<Host["MessageChannel"]>): (then: () => void) => void => {
  const waiting: Array<() => void> = []
  const { port1, port2 } = new Channel()
  port1.onmessage = () => waiting.shift()!()
  return (then) => {
    waiting.push(then)
    port2.postMessage(undefined)
  }
}

const found = (host: Host): (then: () => void) => void => {
  const { MessageChannel: Channel, setImmediate: immediate } = host
  if (immediate !== undefined) return (then) => void immediate(then)
  // a timer of a browser may take four milliseconds
  return Channel === undefined ? (then) => void setTimeout(then, 0) : byMessage(Channel)
}

let known: ((then: () => void) => void) | undefined

/** Calls `then` after the events of this turn. */
export const endOfTurn = (then: () => void): void => (known ??= found(globalThis as Host))(then)
