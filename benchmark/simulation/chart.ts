/** Draws the runs of a scenario: dials and shares over time, and the figures of each variant as bars. */
import { BarChart, LineChart } from "echarts/charts"
import { GridComponent, LegendComponent, MarkAreaComponent, TitleComponent } from "echarts/components"
import { use } from "echarts/core"
import { SVGRenderer } from "echarts/renderers"
import { type themes, toSvg, width } from "../harness/chart.js"
import { number } from "../harness/format.js"
import type { Outcome } from "./outcome.js"
import type { Scenario } from "./scenario.js"

use([BarChart, LineChart, GridComponent, LegendComponent, MarkAreaComponent, TitleComponent, SVGRenderer])

type Theme = typeof themes.light

/** After the color of the defaults; readable on both backgrounds. */
const colors = ["#bf8700", "#cf222e", "#8250df", "#1a7f37", "#d2691e", "#bf3989", "#1b9aaa", "#848d97"]

const legendRow = 22
const gap = 30
const left = 64
const row = 18

interface Bars {
  readonly title: string
  readonly figure: (outcome: Outcome) => number | undefined
}

const bars: ReadonlyArray<Bars> = [
  { title: "Longest wait (s)", figure: ({ figures }) => figures.longestWait },
  { title: "Time to recover (s)", figure: ({ figures }) => figures.recovery },
  { title: "Fairness between pools", figure: ({ figures }) => figures.fairness }
]

export const draw = (scenario: Scenario, outcomes: ReadonlyArray<Outcome>, theme: Theme): string => {
  const legend = 34 + legendRow * Math.ceil(outcomes.length / 5)
  const [dials, share] = [{ top: legend + 30, height: 170 }, { top: legend + 30 + 170 + gap + 30, height: 120 }]
  const figures = share.top + share.height + gap + 34
  const colorOf = (place: number): string => place === 0 ? theme.ours : colors[(place - 1) % colors.length]!
  const heading = (text: string, top: number, at: number) => ({
    text,
    top,
    left: at,
    padding: 0,
    textStyle: { color: theme.text, fontSize: 13 }
  })
  const barWidth = (width - 150) / bars.length
  const barLeft = (place: number) => 150 + place * barWidth

  const lines = (name: string, grid: number, figuresOf: (outcome: Outcome) => ReadonlyArray<number>) =>
    outcomes.map((outcome, place) => ({
      id: `${name} ${place}`,
      name: outcome.variant,
      type: "line",
      xAxisIndex: grid,
      yAxisIndex: grid,
      showSymbol: false,
      z: place === 0 ? 10 : 3,
      color: colorOf(place),
      lineStyle: { width: place === 0 ? 2.5 : 1.5 },
      data: figuresOf(outcome).map((figure, second) => [second, figure]),
      ...(place > 0 ? {} : {
        markArea: {
          silent: true,
          itemStyle: { color: theme.faint, opacity: 0.12 },
          data: [[{ xAxis: scenario.from }, { xAxis: scenario.until }]]
        }
      })
    }))

  const axis = { axisLine: { lineStyle: { color: theme.line } }, axisTick: { show: false } }
  const label = { color: theme.faint, fontSize: 11 }
  return toSvg({
    title: [
      { ...heading(scenario.title, 4, 0), textStyle: { color: theme.text, fontSize: 15 } },
      heading("Dials per second", dials.top - 24, 0),
      heading("Served, of the borrowers that came in that second", share.top - 24, 0),
      ...bars.map(({ title }, place) => heading(title, figures - 24, barLeft(place)))
    ],
    legend: {
      top: 28,
      left: 0,
      data: outcomes.map(({ variant }) => variant),
      icon: "roundRect",
      itemWidth: 14,
      itemHeight: 4,
      itemGap: 24,
      textStyle: { color: theme.text, fontSize: 12 }
    },
    grid: [
      { left, right: 16, top: dials.top, height: dials.height },
      { left, right: 16, top: share.top, height: share.height },
      ...bars.map((_, place) => ({
        left: barLeft(place),
        width: barWidth - 60,
        top: figures,
        height: row * outcomes.length
      }))
    ],
    xAxis: [
      ...[0, 1].map((gridIndex) => ({
        ...axis,
        type: "value",
        gridIndex,
        max: scenario.end,
        axisLabel: { ...label, formatter: "{value} s" },
        splitLine: { show: false }
      })),
      ...bars.map(({ figure }, place) => ({
        type: "value",
        gridIndex: place + 2,
        min: 0,
        max: Math.max(1e-9, ...outcomes.map((outcome) => figure(outcome) ?? 0)),
        axisLabel: { show: false },
        splitLine: { show: false }
      }))
    ],
    yAxis: [
      {
        ...axis,
        type: "log",
        gridIndex: 0,
        min: 1,
        axisLabel: { ...label, formatter: (value: number) => value.toLocaleString("en") },
        splitLine: { lineStyle: { color: theme.line, opacity: 0.6 } }
      },
      {
        ...axis,
        type: "value",
        gridIndex: 1,
        min: 0,
        max: 1,
        interval: 0.25,
        axisLabel: { ...label, formatter: (value: number) => `${value * 100} %` },
        splitLine: { lineStyle: { color: theme.line, opacity: 0.6 } }
      },
      ...bars.map((_, place) => ({
        type: "category",
        gridIndex: place + 2,
        inverse: true,
        data: outcomes.map(({ variant }) => variant),
        axisLine: { lineStyle: { color: theme.line } },
        axisTick: { show: false },
        axisLabel: { show: place === 0, color: theme.text, fontSize: 12 }
      }))
    ],
    series: [
      // a logarithmic axis has no 0
      ...lines("dials", 0, ({ dials }) => dials.map((count) => Math.max(1, count))),
      ...lines("share", 1, ({ share }) => share),
      ...bars.map(({ figure, title }, place) => ({
        id: title,
        type: "bar",
        xAxisIndex: place + 2,
        yAxisIndex: place + 2,
        barWidth: 11,
        data: outcomes.map((outcome, variant) => ({
          value: figure(outcome) ?? 0,
          itemStyle: { color: colorOf(variant) },
          label: {
            show: true,
            position: "right",
            color: theme.text,
            fontSize: 11,
            formatter: figure(outcome) === undefined ? "never" : number(figure(outcome))
          }
        }))
      }))
    ]
  }, figures + row * outcomes.length + 12)
}
