import { duration } from "./optionTable.js"

/** The options of a connect that a pool of sessions checks when it is made. */
export const connectOptions = {
  connectTimeout: duration(10_000, "How long connecting may take"),
  closeTimeout: duration(5_000)
}
