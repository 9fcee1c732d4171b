/** The demo's, which its users read. */
export * from "../../examples/demo/certificate.js"
