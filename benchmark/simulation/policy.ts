/** The rules of simulated pools: what a `SessionPool` makes of its options, its defaults included. */
import type { BalancePolicy } from "../../src/internal/core/balance/policy.js"
import type { MachineOptions } from "../../src/internal/core/pool/policy.js"
import { engineSettings } from "../../src/internal/options/engineOptions.js"
import { formatProblems } from "../../src/internal/options/optionChecks.js"
import { decodeSession } from "../../src/internal/sessions/sessionOptions.js"

export type PoolOptions = Omit<Parameters<typeof decodeSession>[0], "url" | "endpoints">

export interface FleetPolicy {
  readonly pool: MachineOptions<string>
  /** `undefined`: the pools know one address, that of a balancer. */
  readonly balance: BalancePolicy | undefined
  readonly connectTimeout: number
}

export const policyOf = (options: PoolOptions, address: "balancer" | "endpoints"): FleetPolicy => {
  const url = "https://backend.example"
  const { decoded, problems } = decodeSession({
    ...options,
    ...(address === "balancer" ? { url } : { endpoints: [{ url }] })
  })
  if (problems.length > 0) throw new Error(formatProblems(problems))
  const { connectTimeout } = decoded.connect
  const createTimeout = decoded.createTimeout ?? (address === "balancer" ? connectTimeout + 5_000 : Infinity)
  return {
    pool: engineSettings({ ...decoded, createTimeout }).machine,
    balance: address === "balancer" ? undefined : { ...decoded, maxAttempts: 2, backoff: decoded.createBackoff },
    connectTimeout
  }
}
