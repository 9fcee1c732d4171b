import { duration } from "./optionTable.js"

/** The connect options that a session pool checks when it is made. */
export const connectOptions = {
  connectTimeout: duration(10_000, "How long connecting may take"),
  closeTimeout: duration(5_000)
}
