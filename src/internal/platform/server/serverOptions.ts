import { duration, type Input, limit, oneOf, required, text, value } from "../../options/optionTable.js"
import type { Pem } from "../fails/certificate.js"

const isPem = (given: unknown): given is Pem =>
  typeof given === "object" && given !== null &&
  ["cert", "privKey"].every((name) => typeof (given as Record<string, unknown>)[name] === "string")

const maxPort = 65_535

const certificate = {
  ...value<Pem | "self-signed", Pem | "self-signed">(
    `"self-signed", or { cert, privKey } with texts in PEM`,
    (given) => given === "self-signed" || isPem(given)
  ),
  // the key is a secret
  fault: (given: unknown) => `was of type ${typeof given}`
}

export const serverOptions = {
  port: value<number, number>(
    `a whole number from 0 to ${maxPort}`,
    (port) => Number.isInteger(port) && port >= 0 && port <= maxPort,
    0
  ),
  host: text("127.0.0.1"),
  protocol: oneOf(["http2", "http3"]),
  certificate: required(certificate),
  paths: value<ReadonlyArray<string>>(
    `an array of paths, such as "/echo", without a query`,
    (paths) => Array.isArray(paths) && paths.every((path) => typeof path === "string" && /^\/[^?#]*$/.test(path))
  ),
  maxSessions: limit(1, Infinity),
  maxStreams: limit(1, 1_000),
  shutdownGrace: duration(5_000)
}

export type ServerOptions = Input<typeof serverOptions>
