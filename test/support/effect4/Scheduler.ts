import type * as Scheduler from "effect/Scheduler"

/** Runs tasks only in `step`. */
export class ControlledScheduler implements Scheduler.Scheduler {
  readonly executionMode = "async"
  private tasks: Array<() => void> = []

  shouldYield(): boolean {
    return false
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return { scheduleTask: (task) => void this.tasks.push(task), flush: () => {} }
  }

  step(): void {
    for (const task of this.tasks.splice(0)) task()
  }
}
