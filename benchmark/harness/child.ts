/** A child process: measures one contestant in one case, sends the figures and ends. */
import type { Settings, Suite } from "./model.js"

export const measureFor = async (...suites: ReadonlyArray<Suite>): Promise<void> => {
  // ends with the parent process, but does not stay alive to wait for it
  process.once("disconnect", () => process.exit())
  process.channel?.unref()

  const [suite, group, index, settings] = process.argv.slice(2)
  const decoded: Settings = JSON.parse(settings!)

  const entry = suites.find(({ name }) => name === suite)
    ?.groups.find(({ name }) => name === group)
    ?.entries(decoded)[Number(index)]
  if (entry === undefined) throw new Error(`no such measurement: ${suite} ${group} ${index}`)

  // pools and their timers end with the process
  process.send!(await entry.measure(decoded), () => process.exit())
}
