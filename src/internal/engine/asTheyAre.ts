import type { LeaseAdapter } from "./contract.js"

/** A pool lends its items as they are, where nothing else is asked for. */
export const asTheyAre: LeaseAdapter<any, any> = { view: (item) => item, end: () => "keep", core: (item) => item }

export const isAsTheyAre = ({ end }: LeaseAdapter<any, any>): boolean => end === asTheyAre.end
