/** What the contestants were told, and what the server has. */
import { Client } from "pg"
import { applicationName, type ServerConfig } from "./protocol.js"

/** What a transaction read: how many transactions its counter has seen. */
export interface Row {
  readonly id: number
  readonly n: number
}

/** The same statements for all contestants. */
export const statements = {
  update: "update counters set n = n + 1 where id = $1 returning id, n",
  insert: "insert into entries values ($1, $2)"
}

/** A connection of the benchmark itself, made again when it has died. */
export class Admin {
  private readonly config: ServerConfig
  private client: Client | undefined

  constructor(config: ServerConfig) {
    this.config = config
  }

  async query(sql: string): Promise<ReadonlyArray<any>> {
    const client = this.client ?? new Client({ ...this.config, application_name: "admin" }).on("error", () => {})
    try {
      if (this.client === undefined) await client.connect()
      this.client = client
      return (await client.query(sql)).rows
    } catch (error) {
      this.client = undefined
      void client.end()
      throw error
    }
  }

  /** How many connections the contestant has. */
  async connections(): Promise<number> {
    const [{ count }] = await this.query(
      `select count(*)::int from pg_stat_activity where application_name = '${applicationName}'`
    )
    return count
  }
}

/** One counter for each fiber. A transaction counts one up, and writes the number down. */
export class Books {
  /** Answers that cannot be right. */
  private wrongAnswers = 0
  private readonly committed: Array<Array<number>>
  private readonly admin: Admin

  private constructor(admin: Admin, fibers: number) {
    this.admin = admin
    this.committed = Array.from({ length: fibers }, () => [])
  }

  static async open(admin: Admin, fibers: number): Promise<Books> {
    // the connections of the contestant before
    while (await admin.connections() > 0);
    await admin.query("drop table if exists counters, entries")
    await admin.query(`create table counters as select id, 0 as n from generate_series(0, ${fibers - 1}) as id`)
    await admin.query("alter table counters add primary key (id)")
    await admin.query("create table entries (id int not null, n int not null)")
    await admin.query("analyze counters")
    return new Books(admin, fibers)
  }

  /** A fiber was told that its transaction was committed. */
  enter(fiber: number, { id, n }: Row): void {
    const numbers = this.committed[fiber]!
    if (id !== fiber || n <= (numbers.at(-1) ?? 0)) this.wrongAnswers++
    numbers.push(n)
  }

  /**
   * `lost`: commits that the server does not have. `wrong`: answers to somebody else's question, and counters whose number
   * is not that of their entries, so that half a transaction was committed.
   */
  async audit(): Promise<{ readonly lost: number; readonly wrong: number }> {
    const entries = new Map<number, Set<number>>()
    for (
      const { id, numbers } of await this.admin.query("select id, array_agg(n) as numbers from entries group by id")
    ) {
      entries.set(id, new Set(numbers))
    }
    const counters = new Map((await this.admin.query("select id, n from counters")).map(({ id, n }) => [id, n]))
    let lost = 0
    let wrong = this.wrongAnswers
    this.committed.forEach((numbers, id) => {
      const known = entries.get(id) ?? new Set()
      lost += numbers.filter((n) => !known.has(n)).length
      if (known.size !== counters.get(id)) wrong++
    })
    return { lost, wrong }
  }
}
