/** The module of the examples, which start their own servers. */
export * from "../../examples/support/moq.js"
