/**
 * The commands of a machine to its shell, in order. A command is performed after the transition that put it in, since
 * the shell may call back. Commands of such a call come after it.
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

  /** Performs all commands, then throws the first defect. Within a command it does nothing: the outer call continues. */
  flush(): void {
    // most transitions have no command
    if (this.isFlushing || this.commands.length === 0) return
    this.isFlushing = true
    const defects: Array<unknown> = []
    while (this.commands.length > 0) {
      const commands = this.commands
      this.commands = []
      for (const command of commands) {
        // if a command throws, the others must still reach their borrowers
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
