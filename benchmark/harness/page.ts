/** Puts a run into the page of results. */

/**
 * Replaces what the page says about a suite: the paragraph of the run that begins with a date, and all tables below. Words
 * between the two stay.
 */
export const fill = (page: string, heading: string, run: string, tables: string): string => {
  const start = page.indexOf(`${heading}\n`)
  if (start < 0) throw new Error(`the page has no heading ${heading}`)
  const next = page.indexOf("\n## ", start)
  const end = next < 0 ? page.length : next
  const section = page.slice(start, end)
  const firstTable = section.indexOf("\n### ")
  const words = firstTable < 0 ? section : section.slice(0, firstTable)
  const filled = words.replace(/^\d{4}-\d\d-\d\d; [^]*?(?=\n\n)/m, () => run)
  return `${page.slice(0, start)}${filled.trimEnd()}\n\n${tables}${page.slice(end)}`
}
