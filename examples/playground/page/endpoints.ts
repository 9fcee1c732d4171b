/** The rows of the endpoints: what the pool thinks of each, its sessions, and buttons for faults of its server. */
import type { SessionPool } from "effect-pools"
import type { Action, State } from "../echoServer.js"
import type { Servers } from "../playground.js"

interface Button {
  readonly action: Action
  readonly text: string
  /** The states of the server in which the button is shown. */
  readonly in: ReadonlyArray<State>
}

const buttons: ReadonlyArray<Button> = [
  { action: "stop", text: "Stop", in: ["running"] },
  { action: "resume", text: "Resume", in: ["stopped"] },
  { action: "kill", text: "Kill", in: ["running", "stopped"] },
  { action: "start", text: "Revive", in: ["dead"] }
]

const tag = <K extends keyof HTMLElementTagNameMap>(name: K, parent: Element) =>
  parent.appendChild(document.createElement(name))

/** In words. The openings of an endpoint that is new or back are limited for a while. */
const stateOf = ({ maxOpening, state }: SessionPool.EndpointStats): string =>
  state === "Well" && maxOpening < Infinity ? "slow start" : state === "Well" ? "healthy" : state.toLowerCase()

export class Endpoints {
  private readonly rows

  constructor(list: Element, servers: Servers["all"], act: (name: string, action: Action, text: string) => void) {
    this.rows = servers.map(({ name, url }) => {
      const row = tag("li", list)
      row.dataset["endpoint"] = name
      tag("b", row).textContent = name
      const state = tag("span", row)
      const sessions = tag("span", row)
      const all = buttons.map(({ action, text, ...button }) => {
        const element = tag("button", row)
        element.dataset["action"] = action
        element.textContent = text
        element.addEventListener("click", () => act(name, action, `${text} ${name}`))
        return { element, in: button.in }
      })
      return { name, host: new URL(url).host, row, state, sessions, buttons: all }
    })
  }

  /** The states of the servers have changed. */
  showServers(servers: Servers["all"]): void {
    for (const { buttons, name } of this.rows) {
      const state = servers.find((server) => server.name === name)!.state
      for (const { element, in: states } of buttons) element.hidden = !states.includes(state)
    }
  }

  show(all: ReadonlyArray<SessionPool.EndpointStats>): void {
    for (const { host, row, sessions, state } of this.rows) {
      const stats = all.find(({ endpoint }) => endpoint === host)
      if (stats === undefined) continue
      row.dataset["state"] = state.textContent = stateOf(stats)
      sessions.textContent = `${stats.sessions} ${stats.sessions === 1 ? "session" : "sessions"}`
    }
  }

  /** The server with the most sessions. */
  busiest(all: ReadonlyArray<SessionPool.EndpointStats>): string {
    const [first] = all.toSorted((a, b) => b.sessions - a.sessions)
    return this.rows.find(({ host }) => host === first?.endpoint)!.name
  }
}
