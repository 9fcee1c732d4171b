export const major = "effect3" as "effect3" | "effect4"
