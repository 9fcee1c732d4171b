// A thread that answers each job with its result.
import { parentPort } from "node:worker_threads"
import { work } from "./jobs.js"

parentPort.on("message", (job) => parentPort.postMessage(work(job)))
