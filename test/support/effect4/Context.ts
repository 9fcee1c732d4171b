import * as Context from "effect/Context"

export * from "effect/Context"

export const Tag = <const Id extends string>(id: Id) => <Self, Service>(): Context.ServiceClass<Self, Id, Service> =>
  Context.Service<Self, Service>()(id)
