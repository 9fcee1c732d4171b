/** Throughput and wait over the last minute. */
import uPlot from "uplot"
import type { Sample } from "./meter.js"

/** The number of samples, of half a second each. */
const samples = 120
const gridSize = { width: 10, height: 184 }
/** A logarithmic scale has no zero. */
const waits = { least: 0.01, shown: [0.01, 0.1, 1, 10, 100, 1000] }

const color = (name: string) => {
  const probe = document.body.appendChild(document.createElement("i"))
  probe.style.color = `var(--${name})`
  const value = getComputedStyle(probe).color
  probe.remove()
  return value
}

const translucent = (value: string) => value.replace("rgb(", "rgba(").replace(")", ", 0.14)")

const milliseconds = (value: number) => value < 1000 ? `${value} ms` : `${value / 1000} s`

const plot = (
  element: HTMLElement,
  series: ReadonlyArray<{ readonly color: string; readonly isFilled?: boolean }>,
  y: { readonly scale: uPlot.Scale; readonly axis: uPlot.Axis }
) => {
  const dim = color("dim")
  const grid = { stroke: color("line"), width: 1 }
  const ticks = { show: false }
  const font = "12px system-ui, 'Liberation Sans', sans-serif"
  const options: uPlot.Options = {
    ...gridSize,
    width: element.clientWidth,
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: false, range: [-samples / 2, 0] }, y: y.scale },
    axes: [
      {
        stroke: dim,
        grid,
        ticks,
        font,
        size: 24,
        values: (_, splits) => splits.map((seconds) => seconds === 0 ? "now" : `${-seconds} s ago`)
      },
      { stroke: dim, grid, ticks, font, size: 58, ...y.axis }
    ],
    series: [
      {},
      ...series.map((one) => ({
        stroke: one.color,
        width: 2,
        points: { show: false },
        ...(one.isFilled === true ? { fill: translucent(one.color) } : {})
      }))
    ]
  }
  return new uPlot(options, undefined, element)
}

export class Charts {
  private readonly elements: { readonly throughput: HTMLElement; readonly wait: HTMLElement }
  private readonly taken: Array<Sample> = []
  private throughput!: uPlot
  private wait!: uPlot

  constructor(elements: Charts["elements"]) {
    this.elements = elements
    this.make()
    // the chart draws its own colours, which no style sheet can change
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.throughput.destroy()
      this.wait.destroy()
      this.make()
    })
    addEventListener("resize", () => {
      for (const [chart, element] of [[this.throughput, elements.throughput], [this.wait, elements.wait]] as const) {
        chart.setSize({ ...gridSize, width: element.clientWidth })
      }
    })
  }

  add(sample: Sample): void {
    this.taken.push(sample)
    if (this.taken.length > samples) this.taken.shift()
    this.show()
  }

  private make(): void {
    this.throughput = plot(
      this.elements.throughput,
      [{ color: color("in-use"), isFilled: true }, { color: color("lost") }],
      { scale: { range: (_, __, most) => [0, Math.max(10, most * 1.1)] }, axis: {} }
    )
    this.wait = plot(
      this.elements.wait,
      [{ color: color("in-use") }, { color: color("suspect") }],
      {
        scale: { distr: 3, range: [waits.least / 2, 3_000] },
        axis: {
          splits: () => waits.shown,
          filter: (_, splits) => splits,
          values: (_, splits) => splits.map(milliseconds)
        }
      }
    )
    this.show()
  }

  private show(): void {
    const { taken } = this
    const x = taken.map((_, i) => (i + 1 - taken.length) / 2)
    const atLeast = (value: number | null) => value === null ? null : Math.max(waits.least, value)
    this.throughput.setData([x, taken.map(({ answered }) => answered), taken.map(({ failed }) => failed)])
    this.wait.setData([x, taken.map(({ median }) => atLeast(median)), taken.map(({ p99 }) => atLeast(p99))])
  }
}
