/** The figures for metrics and tables: the shape of `PoolStats` for each kind of pool. */

export interface WaitingFigures {
  readonly pool: string
  readonly size: number
  readonly idle: number
  readonly inUse: number
  readonly leases: number
  readonly creating: number
  readonly closing: number
  readonly waiters: number
  readonly min: number
  readonly max: number
  readonly created: number
  readonly destroyed: { readonly lost: number }
  readonly acquisitions: number
  readonly reuses: number
  readonly reuseRatio: number
  readonly timeouts: number
  readonly rejections: number
  readonly abandoned: number
  readonly failures: number
  readonly finalizerFailures: number
  readonly peak: number
}

export interface PermitFigures {
  readonly held: number
  readonly waiting: number
  readonly lost: number
  readonly givenBack: number
}

export interface RequestFigures {
  readonly pool: string
  readonly streams: number
  readonly opening: number
  readonly max: number
  readonly inFlight: number
  readonly forgotten: number
  readonly exclusive: number
  readonly waiters: number
  readonly requests: number
  readonly answered: number
  readonly sent: number
  readonly batches: number
  readonly meanBatch: number
  readonly largestBatch: number
  readonly lateAnswers: number
  readonly timeouts: number
  readonly rejections: number
  readonly abandoned: number
  readonly failures: number
  readonly peak: number
}

export interface RecyclingFigures {
  readonly pool: string
  readonly size: number
  readonly inUse: number
  readonly min: number
  readonly max: number
  readonly created: number
  readonly acquisitions: number
  readonly reused: number
  readonly reuseRatio: number
  readonly returned: number
  /** By reason. */
  readonly discarded: object
  /** By reason. */
  readonly refused: object
  readonly failures: number
  readonly peak: number
}

export interface TieredFigures {
  readonly pool: string
  readonly all: RecyclingFigures
  readonly tiers: ReadonlyArray<{ readonly bufferSize: number; readonly stats: RecyclingFigures }>
  /** Requests above the largest tier. */
  readonly oversize: number
}

export interface EndpointFigures {
  readonly state: "Well" | "Failing" | "Ejected" | "Removed"
  readonly sessions: number
  readonly opening: number
  readonly opened: number
  readonly failures: number
  readonly ejections: number
}
