/** `npm run bench -- postgres`: transactions on a real PostgreSQL, also while it fails. */
import { postgresProblem } from "../../test/support/postgresPrograms.js"
import type { Suite } from "../harness/model.js"
import { faults } from "./faults.js"
import { transactions } from "./transactions.js"

export const postgres: Suite = {
  name: "postgres",
  title: "Connections to PostgreSQL",
  effect: 3,
  child: "postgres/child.ts",
  packages: ["effect", "pg", "postgres", "@effect/sql-pg"],
  groups: [transactions, ...faults],
  runtime: { execPath: process.execPath, execArgv: [], problem: postgresProblem }
}
