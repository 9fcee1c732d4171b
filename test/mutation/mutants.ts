/** Small changes of a source file, each of which a test should notice. */
import { readFileSync } from "node:fs"
import { parseSync } from "oxc-parser"

export interface Mutant {
  /** The file's absolute path, and the path for reports. */
  readonly path: string
  readonly file: string
  readonly line: number
  /** The method or function around it. */
  readonly within: string
  /** The changed lines, before and after. */
  readonly from: string
  readonly to: string
  /** The whole file, changed. */
  readonly text: string
}

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

const isNode = (u: unknown): u is Node => typeof u === "object" && u !== null && "type" in u && "start" in u

const operators: Record<string, ReadonlyArray<string>> = {
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "===": ["!=="],
  "!==": ["==="],
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "&": ["|"],
  "|": ["&"],
  "<<": [">>"],
  ">>": ["<<"],
  ">>>": ["<<"],
  "&&": ["||"],
  "||": ["&&"],
  "+=": ["-="],
  "-=": ["+="],
  "++": ["--"],
  "--": ["++"]
}

/** TypeScript's own nodes that contain expressions. */
const transparent = new Set(["TSAsExpression", "TSNonNullExpression", "TSSatisfiesExpression"])

export const mutantsOf = (path: string, file: string): Array<Mutant> => {
  const source = readFileSync(path, "utf8")
  const mutants: Array<Mutant> = []
  let within = ""

  const replace = (start: number, end: number, by: string): void => {
    const text = source.slice(0, start) + by + source.slice(end)
    const begin = source.lastIndexOf("\n", start - 1) + 1
    const rest = source.indexOf("\n", end)
    const [from, to] = [source.slice(begin, rest), text.slice(begin, rest - source.length + text.length)].map((lines) =>
      lines.trim().replaceAll(/\s*\n\s*/g, " ⏎ ")
    ) as [string, string]
    const line = source.slice(0, start).split("\n").length
    mutants.push({ path, file, line, within, from, to, text })
  }

  /** Swaps the operator between the two operands. */
  const swap = (from: number, to: number, operator: string): void => {
    const start = source.indexOf(operator, from)
    if (start < 0 || start >= to) return
    for (const other of operators[operator] ?? []) replace(start, start + operator.length, other)
  }

  const condition = (test: unknown, values: ReadonlyArray<"true" | "false">): void => {
    if (isNode(test)) { for (const value of values) replace(test.start, test.end, value) }
  }

  const visit = (node: Node, parent: Node | undefined): void => {
    if (node.type.startsWith("TS") && !transparent.has(node.type)) return
    if (node.type === "ImportDeclaration" || node.type === "ExportNamedDeclaration" && node["source"] != null) return
    switch (node.type) {
      case "BinaryExpression":
      case "LogicalExpression":
      case "AssignmentExpression": {
        const [left, right] = [node["left"] as Node, node["right"] as Node]
        swap(left.end, right.start, node["operator"] as string)
        if (node["operator"] === "??") replace(left.end, node.end, "")
        break
      }
      case "UpdateExpression": {
        const argument = node["argument"] as Node
        if (node["prefix"] === true) swap(node.start, argument.start, node["operator"] as string)
        else swap(argument.end, node.end, node["operator"] as string)
        break
      }
      case "UnaryExpression":
        if (node["operator"] === "!" || node["operator"] === "-") replace(node.start, node.start + 1, "")
        break
      case "IfStatement":
      case "ConditionalExpression":
        condition(node["test"], ["true", "false"])
        break
      case "WhileStatement":
      case "ForStatement":
        condition(node["test"], ["false"])
        break
      case "ExpressionStatement":
        if ((node["expression"] as Node).type !== "Literal") replace(node.start, node.end, ";")
        break
      case "ContinueStatement":
      case "BreakStatement":
        replace(node.start, node.end, ";")
        break
      case "ReturnStatement":
        if (node["argument"] == null) replace(node.start, node.end, ";")
        break
      case "MemberExpression": {
        const property = node["property"] as Node
        const name = source.slice(node.start, node.end)
        if (name === "Math.min") replace(property.start, property.end, "max")
        if (name === "Math.max") replace(property.start, property.end, "min")
        break
      }
      case "Literal":
        literal(node, parent)
        break
    }
    const outside = within
    const name = node.type === "MethodDefinition" || node.type === "PropertyDefinition"
      ? node["key"]
      : node.type === "FunctionDeclaration" || node.type === "VariableDeclarator" && within === ""
      ? node["id"]
      : undefined
    if (isNode(name) && typeof name["name"] === "string") within = name["name"]
    for (const [key, child] of Object.entries(node)) {
      if (key === "typeAnnotation" || key === "typeArguments" || key === "returnType") continue
      for (const one of Array.isArray(child) ? child : [child]) if (isNode(one)) visit(one, node)
    }
    within = outside
  }

  const literal = (node: Node, parent: Node | undefined): void => {
    const value = node["value"]
    if (typeof value === "number") replace(node.start, node.end, String(value + 1))
    if (typeof value === "boolean") replace(node.start, node.end, String(!value))
    // elsewhere a string is a tag, or one of two values, which the mutants of operators cover
    const isAssigned = parent?.type === "AssignmentExpression" || parent?.type === "PropertyDefinition"
    if (typeof value === "string" && isAssigned) replace(node.start, node.end, "(\"\" as any)")
  }

  const { errors, program } = parseSync(path, source)
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]!.message}`)
  visit(program as unknown as Node, undefined)
  return mutants
}
