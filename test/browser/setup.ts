/** Node's globals that tests use. */
const channel = new MessageChannel()
const callbacks: Array<() => void> = []
channel.port1.onmessage = () => callbacks.shift()!()

const setImmediate = (callback: () => void): void => {
  callbacks.push(callback)
  channel.port2.postMessage(undefined)
}

Object.assign(globalThis, { process: { env: {} }, setImmediate })

// An error with a span contains bigints. The test runner reports errors as JSON, and would lose the test and others.
Object.assign(BigInt.prototype, {
  toJSON(this: bigint) {
    return `${this}n`
  }
})
