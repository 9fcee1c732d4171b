/** The tiles: a session each, with a cell for each of its streams. */
import type { PoolStats, StreamPool } from "effect-pools"

type Reason = keyof PoolStats.Destroyed

/** How long ended sessions and streams stay visible, in milliseconds. */
const shown = { session: 4_000, stream: 1_500 }
/** How long the reason may take that belongs to an ended session, in milliseconds. The session of a probe has none. */
const reasonWithin = 500
const places = 8
const cells = 8

export class Tile {
  readonly id: number
  readonly native: unknown
  /** The name of its server. */
  readonly server: string
  /** The number of streams that were opened to ping the session. */
  pings = 0
  endedAt: number | undefined
  reason: Reason | undefined
  state = "idle"
  streams = 0
  lent = 0
  opened = 0
  /** The times of recently lost streams. */
  lost: Array<number> = []
  private ended = 0
  private endedBefore = 0

  constructor(id: number, native: unknown, server: string) {
    this.id = id
    this.native = native
    this.server = server
  }

  /**
   * How many streams of the session have ended since the last call. Two readings must agree, since streams may be on their
   * way in between.
   */
  look(info: StreamPool.SessionInfo | undefined): number {
    this.streams = info?.streams ?? 0
    this.lent = info?.inUse ?? 0
    if (info !== undefined) this.opened = info.opened
    this.state = info?.isRetired === true
      ? "retired"
      : info?.isSuspect === true
      ? "suspect"
      : this.lent > 0
      ? "in use"
      : "idle"
    const now = this.opened - this.pings - this.streams
    const agreed = Math.min(now, this.endedBefore)
    this.endedBefore = now
    const more = Math.max(0, agreed - this.ended)
    this.ended += more
    return more
  }
}

const tag = <K extends keyof HTMLElementTagNameMap>(name: K, parent: Element) =>
  parent.appendChild(document.createElement(name))

const place = (board: Element) => {
  const article = tag("article", board)
  const heading = tag("h3", article)
  const row = tag("div", article)
  return {
    article,
    name: heading.appendChild(new Text()),
    state: tag("span", heading),
    cells: Array.from({ length: cells }, () => tag("i", row)),
    tile: undefined as Tile | undefined
  }
}

export class Board {
  private readonly places
  private opened = 0
  /** Ended sessions and the reported reasons, in the same order. */
  private ended: Array<Tile> = []
  private readonly reasons: Array<Reason> = []
  private streamsLost = 0

  constructor(element: Element) {
    this.places = Array.from({ length: places }, () => place(element))
  }

  /** A session has been opened. */
  open(native: unknown, server: string): Tile {
    const tile = new Tile(++this.opened, native, server)
    const free = this.places.find((place) => place.tile === undefined) ??
      this.places.filter(({ tile }) => tile?.endedAt !== undefined)
        .sort((a, b) => a.tile!.endedAt! - b.tile!.endedAt!)[0]
    if (free !== undefined) free.tile = tile
    return tile
  }

  ping(native: unknown): void {
    const tile = this.places.find(({ tile }) => tile?.native === native)?.tile
    if (tile !== undefined) tile.pings++
  }

  /** A session is being closed. */
  end(tile: Tile): void {
    tile.endedAt = performance.now()
    this.ended.push(tile)
    this.pair()
  }

  sessionDestroyed(reason: Reason): void {
    this.reasons.push(reason)
    this.pair()
  }

  streamDestroyed(reason: Reason): void {
    if (reason === "lost" || reason === "discarded") this.streamsLost++
  }

  private pair(): void {
    const now = performance.now()
    this.ended = this.ended.filter(({ endedAt }) => now - endedAt! < reasonWithin)
    while (this.ended.length > 0 && this.reasons.length > 0) this.ended.shift()!.reason = this.reasons.shift()!
  }

  /** Draws all tiles. */
  show(sessions: PoolStats.PoolStats, infos: ReadonlyArray<StreamPool.SessionInfo>): void {
    const now = performance.now()
    for (const place of this.places) {
      const { tile } = place
      if (tile === undefined) continue
      if (tile.endedAt !== undefined) {
        if (now - tile.endedAt > shown.session) place.tile = undefined
        continue
      }
      const ended = tile.look(infos.find(({ native }) => native === tile.native))
      const lost = Math.min(ended, this.streamsLost)
      this.streamsLost -= lost
      tile.lost = [...tile.lost.filter((at) => now - at < shown.stream), ...Array<number>(lost).fill(now)]
    }
    let connecting = sessions.creating
    let free = sessions.max - sessions.size - sessions.creating
    for (const place of this.places) {
      if (place.tile !== undefined) this.draw(place, place.tile)
      else if (connecting-- > 0) this.drawEmpty(place, "connecting…")
      else this.drawEmpty(place, free-- > 0 ? "free" : undefined)
    }
  }

  private draw({ article, cells, name, state }: ReturnType<typeof place>, tile: Tile): void {
    const isEnded = tile.endedAt !== undefined
    article.removeAttribute("data-empty")
    article.dataset["id"] = `${tile.id}`
    article.toggleAttribute("data-ended", isEnded)
    article.dataset["state"] = isEnded ? tile.reason ?? "" : tile.state
    name.data = `session ${tile.id} at ${tile.server}`
    state.textContent = isEnded ? tile.reason ?? "closed" : tile.state
    cells.forEach((cell, i) => {
      const isLost = isEnded ? tile.reason === "lost" && i < tile.streams : i >= cells.length - tile.lost.length
      const value = isLost ? "lost" : isEnded || i >= tile.streams ? undefined : i < tile.lent ? "in use" : "idle"
      if (value === undefined) delete cell.dataset["state"]
      else cell.dataset["state"] = value
    })
  }

  private drawEmpty({ article, name, state }: ReturnType<typeof place>, text: string | undefined): void {
    article.toggleAttribute("data-empty", text === undefined)
    delete article.dataset["id"]
    delete article.dataset["state"]
    article.removeAttribute("data-ended")
    name.data = ""
    state.textContent = text ?? ""
  }
}
