// The same as a runner of @effect/platform. Each thread loads its modules, so it imports only those that it needs.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeWorkerRunner from "@effect/platform-node/NodeWorkerRunner"
import * as WorkerRunner from "@effect/platform/WorkerRunner"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { work } from "./jobs.js"

const RunnerLive = WorkerRunner.layer((job) => Effect.sync(() => work(job))).pipe(
  Layer.provide(NodeWorkerRunner.layer)
)

NodeRuntime.runMain(WorkerRunner.launch(RunnerLive))
