// Under a newer C library `execPath` is the loader, which starts no node.
if (process.env["HTTP3_NODE"] !== undefined) process.execPath = process.env["HTTP3_NODE"]
