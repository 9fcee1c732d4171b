/** How values appear in logs and in Node. */
import * as Formatter from "effect/Formatter"
import * as Inspectable from "effect/Inspectable"

/** Shows what `toJSON` returns. */
export { Class as InspectableClass } from "effect/Inspectable"

export const inspectSymbol: typeof Inspectable.NodeInspectSymbol = Inspectable.NodeInspectSymbol

/** Formats a value as text. */
export const format = (value: unknown): string => Formatter.format(value)

/** What shows itself so. */
export type { Inspectable } from "effect/Inspectable"
