export { ControlledScheduler } from "effect/Scheduler"
