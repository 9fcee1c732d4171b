import type { LeaseAdapter } from "./contract.js"

/** The default: a pool lends its items as they are. */
export const asTheyAre: LeaseAdapter<any, any> = { view: (item) => item, end: () => "keep", core: (item) => item }

export const isAsTheyAre = ({ end }: LeaseAdapter<any, any>): boolean => end === asTheyAre.end
