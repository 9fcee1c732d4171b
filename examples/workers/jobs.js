// What the threads do. They are JavaScript: tsx does not reach threads.

/** @param {import("../workers.js").Job} job */
export const work = (job) => {
  switch (job._tag) {
    case "Sum": {
      let sum = 0
      for (let n = 1; n <= job.upTo; n++) sum += n
      return sum
    }
    case "Die":
      // in a thread it ends the thread
      return process.exit(1)
    case "Hang":
      while (true);
  }
}
