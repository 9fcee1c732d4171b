/** The examples', which start servers of their own. */
export * from "../../examples/support/http3.js"
