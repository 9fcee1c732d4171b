export const major = "effect4" as "effect3" | "effect4"
