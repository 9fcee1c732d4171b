/**
 * What a machine asks its shell to do, in order. Nothing is performed before the transition that asked for it is
 * complete, since the shell may call back; what such a call asks for comes after.
 */
export class Outbox<Command> {
  private commands: Array<Command> = []
  private isFlushing = false
  private readonly perform: (command: Command) => void

  constructor(perform: (command: Command) => void) {
    this.perform = perform
  }

  get isEmpty(): boolean {
    return this.commands.length === 0
  }

  push(command: Command): void {
    this.commands.push(command)
  }

  /** Performs all commands, and then throws the first defect. Within a command it does nothing: the outer call goes on. */
  flush(): void {
    if (this.isFlushing) return
    this.isFlushing = true
    const defects: Array<unknown> = []
    while (this.commands.length > 0) {
      const commands = this.commands
      this.commands = []
      for (const command of commands) {
        // a command that throws must not keep the others from a borrower who waits
        try {
          this.perform(command)
        } catch (defect) {
          defects.push(defect)
        }
      }
    }
    this.isFlushing = false
    if (defects.length > 0) throw defects[0]
  }
}
