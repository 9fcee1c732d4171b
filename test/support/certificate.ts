/** The certificate of the demo. */
export * from "../../examples/demo/certificate.js"
