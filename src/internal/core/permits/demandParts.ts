/** What one pool of the process has, and what the other processes want of it. */
interface Part {
  held: number
  asked: number
  /** It gave a permit back since the demand was last looked at. */
  gave: boolean
  /** It was asked, and gave nothing. */
  isStuck: boolean
  told: number
}

/**
 * Divides what other processes want of a process among its pools, in proportion to what each has: if each heard all of it,
 * they would give back as many times too much. A pool that gives nothing for `patience` milliseconds, since all of its items
 * are lent, passes its part on to the others.
 */
export class DemandParts<P> {
  private readonly parts = new Map<P, Part>()
  private readonly patience: number
  private readonly tell: (pool: P, asked: number) => void
  private lookedAt = Infinity

  constructor(patience: number, tell: (pool: P, asked: number) => void) {
    this.patience = patience
    this.tell = tell
  }

  askedOf(pool: P): number {
    return this.parts.get(pool)?.asked ?? 0
  }

  granted(pool: P): void {
    const part = this.parts.get(pool)
    if (part === undefined) this.parts.set(pool, { held: 1, asked: 0, gave: false, isStuck: false, told: 0 })
    else part.held++
  }

  /** Followed by `set`, with what is wanted without this permit. */
  gaveBack(pool: P): void {
    const part = this.parts.get(pool)
    if (part === undefined) return
    part.held--
    part.asked = Math.max(0, Math.min(part.held, part.asked - 1))
    part.gave = true
    if (part.held > 0) return
    this.parts.delete(pool)
    if (part.told > 0) this.tell(pool, 0)
  }

  /**
   * Other processes want so many permits of this one, and its own pools want these, one entry for each ask: those go to the
   * pools that ask for none. `now`: monotonic milliseconds.
   */
  set(count: number, now: number, own: ReadonlyArray<P> = []): void {
    const asking = new Set(own.map((pool) => this.parts.get(pool)))
    for (const part of asking) if (part !== undefined) part.asked = 0
    const others = (part: Part) => asking.has(part) ? 0 : spare(part)
    const wanted = count + own.length
    this.look(wanted, now)
    let asked = 0
    for (const part of this.parts.values()) asked += part.asked
    for (; asked > wanted; asked--) this.most(({ asked }) => asked)!.asked--
    for (; asked < wanted; asked++) {
      const next = this.most((part) => part.isStuck ? 0 : others(part)) ?? this.most(others) ??
        (asked < count ? this.most(spare) : undefined)
      if (next === undefined) break
      next.asked++
    }
    for (const [pool, part] of this.parts) {
      if (part.asked === part.told) continue
      part.told = part.asked
      this.tell(pool, part.asked)
    }
  }

  private look(count: number, now: number): void {
    if (count === 0) this.lookedAt = Infinity
    else if (this.lookedAt === Infinity) this.lookedAt = now
    if (count > 0 && now - this.lookedAt < this.patience) return
    for (const part of this.parts.values()) {
      part.isStuck = count > 0 && part.asked > 0 && !part.gave
      if (part.isStuck) part.asked = 0
      part.gave = false
    }
    if (count > 0) this.lookedAt = now
  }

  /** The first of those with the highest figure above 0. */
  private most(figure: (part: Part) => number): Part | undefined {
    let best: Part | undefined
    let highest = 0
    for (const part of this.parts.values()) {
      const value = figure(part)
      if (value > highest) [best, highest] = [part, value]
    }
    return best
  }
}

/** Highest of the pool that has most, for what it is asked already. */
const spare = ({ asked, held }: Part): number => held > asked ? held / (asked + 1) : 0
