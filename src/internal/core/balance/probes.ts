/** Which endpoint is probed: the ones in trouble, beside the creations, while the pool has sessions or needs one. */
import type { Endpoint, EndpointEntry } from "./endpoint.js"
import type { EndpointList } from "./endpointList.js"
import type { BalancePolicy } from "./policy.js"

export class Probes<D extends EndpointEntry, F> {
  private readonly policy: BalancePolicy
  private readonly list: EndpointList<D, F>

  constructor(policy: BalancePolicy, list: EndpointList<D, F>) {
    this.policy = policy
    this.list = list
  }

  /**
   * The endpoint that comes next, the one that has been due for longest, and when. Probes run one at a time: when a fleet
   * comes back, probes of every endpoint of every pool would be more work than its sessions.
   */
  next(): { readonly endpoint: Endpoint<D, F>; readonly at: number } | undefined {
    let endpoint: Endpoint<D, F> | undefined = undefined
    for (const other of this.list.listed) {
      if (endpoint === undefined || this.dueAt(other) < this.dueAt(endpoint)) endpoint = other
    }
    return endpoint === undefined ? undefined : { endpoint, at: Math.max(this.dueAt(endpoint), this.from) }
  }

  private get from(): number {
    const { listed } = this.list
    if (listed.some(({ probe }) => probe !== undefined)) return Infinity
    if (listed.some(({ health }) => health === "Well")) return -Infinity
    // creations try the endpoints; a probe follows when all their attempts are late
    return Math.max(...listed.flatMap(({ attempts }) => [...attempts].map(({ lateAt }) => lateAt)))
  }

  private dueAt(endpoint: Endpoint<D, F>): number {
    const { attempts, dueAt, health } = endpoint
    if (attempts.size > 0 || this.policy.maxAttempts === 1) return Infinity
    return health !== "Well" ? dueAt : this.list.isUnusedBetter(endpoint) ? -Infinity : Infinity
  }
}
