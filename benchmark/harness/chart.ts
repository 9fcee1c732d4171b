/** Charts of ratios as SVG: bars to the right are slower than ours, bars to the left faster. The axis is logarithmic. */
import { BarChart } from "echarts/charts"
import { GridComponent, TitleComponent } from "echarts/components"
import { type EChartsCoreOption, init, use } from "echarts/core"
import { SVGRenderer } from "echarts/renderers"
import { number } from "./format.js"
import type { Chart } from "./model.js"

use([BarChart, GridComponent, TitleComponent, SVGRenderer])

export const themes = {
  light: { text: "#1f2328", faint: "#59636e", line: "#d1d9e0", ours: "#0969da", slower: "#afb8c1", faster: "#bf8700" },
  dark: { text: "#f0f6fc", faint: "#9198a1", line: "#3d444d", ours: "#4493f8", slower: "#656c76", faster: "#d29922" }
}

export const width = 760
const head = 52
const row = 24
const gap = 20

/** On a transparent background. */
export const toSvg = (option: EChartsCoreOption, height: number): string => {
  const chart = init(null, null, { renderer: "svg", ssr: true, width, height })
  chart.setOption({ animation: false, textStyle: { fontFamily: "system-ui, sans-serif" }, ...option })
  const svg = chart.renderToSVGString()
  // otherwise a timer of the animation would keep the process alive
  chart.dispose()
  return svg
}

/** Draws the charts below each other. */
export const draw = (charts: ReadonlyArray<Chart>, theme: typeof themes.light): string => {
  const measured = charts.map(({ bars, ...chart }) => ({
    ...chart,
    bars: bars.flatMap(({ ratio, ...bar }) => ratio === undefined ? [] : [{ ...bar, ratio }])
  })).filter(({ bars }) => bars.length > 1)
  const tops = measured.map((_, index) =>
    measured.slice(0, index).reduce((sum, { bars }) => sum + head + bars.length * row + gap, 0)
  )
  const last = measured.length - 1
  const height = last < 0 ? 0 : tops[last]! + head + measured[last]!.bars.length * row + 8

  return toSvg({
    title: measured.map(({ subtitle, title }, index) => ({
      text: title,
      subtext: subtitle,
      top: tops[index],
      left: 0,
      padding: [4, 0, 0, 0],
      itemGap: 4,
      textStyle: { color: theme.text, fontSize: 15 },
      subtextStyle: { color: theme.faint, fontSize: 12 }
    })),
    grid: measured.map(({ bars }, index) => ({
      top: tops[index]! + head,
      height: bars.length * row,
      left: 300,
      right: 60
    })),
    xAxis: measured.map(({ bars }, index) => {
      const least = Math.min(-0.3, ...bars.map(({ ratio }) => Math.log10(ratio)))
      const most = Math.max(0.5, ...bars.map(({ ratio }) => Math.log10(ratio)))
      return {
        type: "value",
        gridIndex: index,
        // room for the longest bar's label
        min: least - 0.2 * (most - least),
        max: most,
        axisLabel: { show: false },
        splitLine: { show: false }
      }
    }),
    yAxis: measured.map(({ bars }, index) => ({
      type: "category",
      gridIndex: index,
      inverse: true,
      data: bars.map(({ contestant }) => contestant),
      axisLine: { onZero: true, lineStyle: { color: theme.line } },
      axisTick: { show: false },
      axisLabel: {
        fontSize: 13,
        color: (contestant?: string | number) =>
          bars.some((bar) => bar.isOurs && bar.contestant === contestant) ? theme.ours : theme.text
      }
    })),
    series: measured.map(({ bars }, index) => ({
      type: "bar",
      xAxisIndex: index,
      yAxisIndex: index,
      barWidth: 14,
      data: bars.map(({ isOurs, ratio }) => ({
        value: Math.log10(ratio),
        itemStyle: { color: isOurs ? theme.ours : ratio < 1 ? theme.faster : theme.slower },
        label: {
          show: true,
          position: ratio < 1 ? "left" : "right",
          color: theme.text,
          fontSize: 12,
          formatter: `${number(ratio)} ×`
        }
      }))
    }))
  }, height)
}
