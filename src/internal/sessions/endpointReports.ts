/** Reports the state of the endpoints: to logs, to listeners of events, as figures and as metrics. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import type { BalanceMachine } from "../core/balance/balanceMachine.js"
import type { Endpoint } from "../core/balance/endpoint.js"
import type { PoolEngine } from "../engine/resourcePool.js"
import {
  endpointBack,
  endpointEjected,
  endpointFailing,
  endpointListFailed,
  endpointsIgnored
} from "../observe/endpointTexts.js"
import * as metrics from "../observe/poolMetrics.js"
import type { EndpointStats } from "./contract.js"
import type { Failure, ListedEndpoint } from "./endpointList.js"

type Place = Endpoint<ListedEndpoint, Failure>

/** How many endpoints have metrics. */
const maxShown = 100

export class EndpointReports {
  private readonly machine: BalanceMachine<ListedEndpoint, Failure>
  private readonly pool: PoolEngine<any, any>
  /** The endpoints whose metrics are shown, and what ends that. */
  private readonly shown = new Map<string, () => void>()
  /** The endpoints whose failure the log has told. */
  private readonly told = new WeakSet<Place>()

  constructor(
    machine: BalanceMachine<ListedEndpoint, Failure>,
    pool: PoolEngine<any, any>
  ) {
    this.machine = machine
    this.pool = pool
  }

  badList(what: string, failure?: unknown): void {
    this.pool.warn(endpointListFailed(what, failure, this.machine.listed.length), "EndpointList", {})
  }

  badEntries(problems: ReadonlyArray<string>): void {
    this.pool.warn(endpointsIgnored(problems), "EndpointList", {})
  }

  troubled(place: Place, why: "Connect" | "Death" | "Late"): void {
    // a slow connect is no failure
    if (why === "Late") return
    const { entry: { label }, lastFailure } = place
    this.told.add(place)
    const failure = lastFailure === undefined ? undefined : Cause.squash(lastFailure)
    this.pool.warn(endpointFailing(label, why, failure), "EndpointFailing", { endpoint: label })
  }

  ejected(place: Place, duration: number): void {
    const { label } = place.entry
    this.told.add(place)
    const rounded = Math.round(duration)
    this.pool.announce({ _tag: "EndpointEjected", endpoint: label, duration: Duration.millis(rounded) })
    const text = endpointEjected(label, this.machine.policy.consecutiveFailures, rounded)
    this.pool.warn(text, "EndpointEjected", { endpoint: label, duration: rounded })
  }

  back(place: Place, wasEjected: boolean): void {
    const { label } = place.entry
    if (wasEjected) this.pool.announce({ _tag: "EndpointBack", endpoint: label })
    if (!this.told.delete(place)) return
    this.pool.inform(endpointBack(label), "EndpointBack", { endpoint: label })
  }

  // --- stats and metrics

  stats(): ReadonlyArray<EndpointStats> {
    return [...this.machine.list.known()].map((endpoint) => this.statsOf(endpoint))
  }

  private statsOf(endpoint: Place): EndpointStats {
    const { attempts, ejections, entry, failed, health, isListed, opened, sessions } = endpoint
    return {
      endpoint: entry.label,
      priority: entry.priority,
      weight: entry.weight,
      state: isListed ? health : "Removed",
      sessions: sessions.size,
      opening: attempts.size,
      maxOpening: endpoint.allowance(this.pool.now()),
      opened,
      failures: failed,
      ejections
    }
  }

  /** Shows the metrics of the endpoints by their labels: endpoints with the same one add up. */
  listChanged(): void {
    const labels = new Set(this.machine.listed.map(({ entry: { label } }) => label))
    for (const [label, hide] of this.shown) {
      if (labels.has(label)) continue
      this.shown.delete(label)
      hide()
    }
    for (const label of labels) {
      if (this.shown.has(label) || this.shown.size >= maxShown) continue
      this.shown.set(label, this.pool.showMetrics(metrics.endpoint, [["endpoint", label]], () => this.sumOf(label)))
    }
  }

  private sumOf(label: string): EndpointStats {
    const all = this.stats().filter(({ endpoint }) => endpoint === label)
    const sum = (read: (stats: EndpointStats) => number) => all.reduce((total, stats) => total + read(stats), 0)
    return {
      endpoint: label,
      priority: 0,
      weight: 0,
      state: all.some(({ state }) => state === "Well") ? "Well" : "Failing",
      sessions: sum(({ sessions }) => sessions),
      opening: sum(({ opening }) => opening),
      maxOpening: sum(({ maxOpening }) => maxOpening),
      opened: sum(({ opened }) => opened),
      failures: sum(({ failures }) => failures),
      ejections: sum(({ ejections }) => ejections)
    }
  }

  /** The pool closes. */
  stop(): void {
    for (const hide of this.shown.values()) hide()
    this.shown.clear()
  }
}
