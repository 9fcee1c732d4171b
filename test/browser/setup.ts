/** What tests use of Node's globals. */
const channel = new MessageChannel()
const callbacks: Array<() => void> = []
channel.port1.onmessage = () => callbacks.shift()!()

const setImmediate = (callback: () => void): void => {
  callbacks.push(callback)
  channel.port2.postMessage(undefined)
}

Object.assign(globalThis, { process: { env: {} }, setImmediate })

// An error that carries its span carries bigints; the test runner reports it as JSON, and would lose its test and others.
Object.assign(BigInt.prototype, {
  toJSON(this: bigint) {
    return `${this}n`
  }
})
