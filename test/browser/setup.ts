/** Node's globals that tests use. */
const channel = new MessageChannel()
const callbacks: Array<() => void> = []
channel.port1.onmessage = () => callbacks.shift()!()

const setImmediate = (callback: () => void): void => {
  callbacks.push(callback)
  channel.port2.postMessage(undefined)
}

/** The rules of `core` are the same everywhere: in a browser few generated cases show that they run there. */
const env = { FC_RUNS: "300" }

Object.assign(globalThis, { process: { env }, setImmediate })

// An error with a span contains bigints. The test runner reports errors as JSON, and would lose the test and others.
Object.assign(BigInt.prototype, {
  toJSON(this: bigint) {
    return `${this}n`
  }
})
