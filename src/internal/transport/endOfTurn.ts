/** The end of a turn of the event loop: everything that has arrived in it has been handled, promises included. */

type Schedule = (f: () => void) => void

/** A task of its own. Timers of browsers may be late by milliseconds. */
const viaChannel = (): Schedule => {
  const { port1, port2 } = new MessageChannel()
  let waiting: Array<() => void> = []
  port1.onmessage = () => {
    const all = waiting
    waiting = []
    for (const f of all) f()
  }
  return (f) => {
    if (waiting.push(f) === 1) port2.postMessage(undefined)
  }
}

let schedule: Schedule | undefined

/** Runs a function, which must not throw, at the end of this turn. */
export const atEndOfTurn: Schedule = (f) => {
  schedule ??= (globalThis as { readonly setImmediate?: Schedule }).setImmediate ?? viaChannel()
  schedule(f)
}
