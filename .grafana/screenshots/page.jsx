// A page that shows a dashboard as Grafana does: each panel at its position, drawn by Grafana's components.
// The parts that Grafana does not export are written here: the page around the panels, the conversion of an answer of
// Prometheus to a data frame, the set-up of each kind of panel, and the cells of the heat map.
import {
  applyFieldOverrides,
  cacheFieldDisplayNames,
  createTheme,
  dateTime,
  EventBusSrv,
  FieldType,
  formattedValueToString,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  getValueFormat,
  Registry,
  standardTransformers,
  standardTransformersRegistry,
  ThemeContext,
  transformDataFrame,
  VizOrientation,
} from "@grafana/data";
import { BarGauge, BigValue, GlobalStyles, Icon, PanelChrome, PanelContextProvider, TimeSeries, UPlotChart, UPlotConfigBuilder, VizRepeater } from "@grafana/ui";
import { TableNG } from "@grafana/ui/unstable";
import { interpolateOranges } from "d3-scale-chromatic";
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import uPlot from "uplot";

const { dashboard, answers, file, version } = window;
window.__grafana_public_path__ = "/";
const theme = createTheme({ colors: { mode: "dark" } });
const WIDTH = 1568;
const ROW = 30;
const GAP = 8;
const timeRange = {
  from: dateTime(answers.start * 1000),
  to: dateTime(answers.end * 1000),
  raw: { from: dateTime(answers.start * 1000), to: dateTime(answers.end * 1000) },
};

// Options of fields: the path of each is its name, and its value is used unchanged.

const OPTIONS = ["unit", "min", "max", "decimals", "noValue", "thresholds", "mappings", "links", "color", "displayName"];
const CUSTOM = ["width", "align", "cellOptions", "filterable", "inspect"];
const option = (path, isCustom) => ({
  id: isCustom ? `custom.${path}` : path,
  path,
  name: path,
  isCustom,
  process: (value) => value,
  shouldApply: () => true,
});
function fieldOptions(panel) {
  const custom = new Set([...CUSTOM, ...Object.keys(panel.fieldConfig.defaults.custom ?? {})]);
  return new Registry(() => [...OPTIONS.map((path) => option(path, false)), ...[...custom].map((path) => option(path, true))]);
}

function configured(panel, frames) {
  const fieldConfig = structuredClone(panel.fieldConfig);
  for (const properties of [fieldConfig.defaults, ...fieldConfig.overrides.map((override) => Object.fromEntries(override.properties.map(({ id, value }) => [id, value])))]) {
    for (const step of properties.thresholds?.steps ?? []) step.value ??= -Infinity;
  }
  const made = applyFieldOverrides({
    data: frames,
    fieldConfig,
    fieldConfigRegistry: fieldOptions(panel),
    replaceVariables: (text) => text,
    theme,
    timeZone: "utc",
  });
  // The axis label of the values must not appear on the time axis.
  for (const { fields } of made) for (const field of fields) if (field.type === FieldType.time) field.config.custom = { ...field.config.custom, axisLabel: "" };
  cacheFieldDisplayNames(made);
  return made;
}

// Answers of Prometheus as data frames.

const legend = (target, labels) => target.legendFormat.replace(/\{\{(\w+)\}\}/g, (_, label) => labels[label] ?? "");

function frameOf(target, { labels, points }) {
  const name = legend(target, labels);
  return {
    refId: target.refId,
    name,
    length: points.length,
    fields: [
      { name: "Time", type: FieldType.time, values: points.map(([moment]) => moment * 1000), config: { interval: answers.step * 1000 } },
      { name: "Value", type: FieldType.number, labels, values: points.map(([, value]) => value), config: { displayNameFromDS: name } },
    ],
  };
}

function tableOf(target, series) {
  const labels = Object.keys(series[0].labels);
  return {
    refId: target.refId,
    length: series.length,
    fields: [
      { name: "Time", type: FieldType.time, values: series.map(({ points }) => points[0][0] * 1000), config: {} },
      ...labels.map((label) => ({ name: label, type: FieldType.string, values: series.map((one) => one.labels[label]), config: {} })),
      { name: `Value #${target.refId}`, type: FieldType.number, values: series.map(({ points }) => points[0][1]), config: {} },
    ],
  };
}

function useFrames(panel) {
  const [frames, setFrames] = useState(null);
  useEffect(() => {
    const found = answers.answers[dashboard.uid][panel.id];
    const raw = panel.targets.flatMap((target) =>
      target.format === "table" ? [tableOf(target, found[target.refId])] : found[target.refId].map((series) => frameOf(target, series)),
    );
    const subscription = transformDataFrame(panel.transformations ?? [], raw).subscribe({ next: (made) => setFrames(configured(panel, made)), error: (error) => console.error(panel.title, error) });
    return () => subscription.unsubscribe();
  }, [panel]);
  return frames;
}

// The kinds of panels.

const repeated = (panel, frames, width, height, renderValue, more) => (
  <VizRepeater
    source={frames}
    width={width}
    height={height}
    getValues={() =>
      getFieldDisplayValues({
        fieldConfig: panel.fieldConfig,
        reduceOptions: panel.options.reduceOptions,
        replaceVariables: (text) => text,
        theme,
        data: frames,
        timeZone: "utc",
      })
    }
    getAlignmentFactors={getDisplayValueAlignmentFactors}
    renderValue={renderValue}
    renderCounter={0}
    {...more}
  />
);

function Stat({ panel, frames, width, height }) {
  const { options } = panel;
  const value = ({ value, alignmentFactors, width, height, count }) => (
    <BigValue
      value={value.display}
      count={count}
      colorMode={options.colorMode}
      graphMode={options.graphMode}
      justifyMode={options.justifyMode}
      textMode={options.textMode}
      alignmentFactors={alignmentFactors}
      width={width}
      height={height}
      theme={theme}
      wideLayout={options.wideLayout}
    />
  );
  return repeated(panel, frames, width, height, value, { itemSpacing: 3, orientation: VizOrientation.Auto, autoGrid: true });
}

function Bars({ panel, frames, width, height }) {
  const { options } = panel;
  const value = ({ value: { display, view, colIndex, field }, alignmentFactors, width, height, orientation }) => (
    <BarGauge
      value={display}
      width={width}
      height={height}
      orientation={orientation}
      field={field}
      display={view?.getFieldDisplayProcessor(colIndex)}
      theme={theme}
      itemSpacing={10}
      lcdCellWidth={8}
      displayMode={options.displayMode}
      alignmentFactors={alignmentFactors}
      showUnfilled={options.showUnfilled}
      valueDisplayMode={options.valueMode}
      namePlacement={options.namePlacement}
    />
  );
  return repeated(panel, frames, width, height, value, {
    itemSpacing: 10,
    orientation: options.orientation,
    minVizHeight: options.minVizHeight,
    minVizWidth: options.minVizWidth,
    maxVizHeight: options.maxVizHeight,
  });
}

const Lines = ({ panel, frames, width, height }) => (
  <TimeSeries frames={frames} structureRev={1} timeRange={timeRange} timeZone="utc" width={width} height={height} legend={panel.options.legend} options={panel.options} />
);

const Table = ({ panel, frames: [frame], width, height }) => (
  <TableNG
    data={frame}
    width={width}
    height={height}
    cellHeight={panel.options.cellHeight}
    sortBy={panel.options.sortBy}
    fieldConfig={panel.fieldConfig}
    enableVirtualization={false}
    structureRev={1}
    transparent={false}
  />
);

function HeatMap({ panel, frames, width, height }) {
  const { color, yAxis } = panel.options;
  const rows = frames
    .map((frame) => ({ bound: Number(frame.fields[1].labels.le.replace("+Inf", "Infinity")), points: new Map(frame.fields[0].values.map((moment, index) => [moment, frame.fields[1].values[index]])) }))
    .sort((a, b) => a.bound - b.bound);
  // A bucket of Prometheus includes all lower buckets.
  const counts = rows.map(({ points }, index) => new Map([...points].map(([moment, value]) => [moment, value - (rows[index - 1]?.points.get(moment) ?? 0)])));
  while (counts.length > 1 && [...counts.at(-1).values()].every((count) => count < panel.options.filterValues.le)) {
    counts.pop(); // omit the slowest buckets while they are empty
    rows.pop();
  }
  const most = Math.max(...counts.flatMap((row) => [...row.values()]));
  // Grafana reverses this scheme in the dark theme.
  const shades = Array.from({ length: color.steps }, (_, index) => interpolateOranges(1 - index / (color.steps - 1)));
  const shade = (count) => shades[Math.min(Math.floor((count / most) ** color.exponent * color.steps), color.steps - 1)];
  const unit = getValueFormat(yAxis.unit);
  const edge = (index) => (index === 0 ? 0 : rows[index - 1].bound);
  const step = answers.step * 1000;

  const config = new UPlotConfigBuilder("utc");
  config.addScale({ scaleKey: "x", isTime: true, orientation: 0, direction: 1, range: () => [timeRange.from.valueOf(), timeRange.to.valueOf()] });
  config.addScale({ scaleKey: "y", isTime: false, orientation: 1, direction: 1, range: () => [0, rows.length] });
  config.addAxis({ scaleKey: "x", isTime: true, placement: "bottom", timeZone: "utc", theme });
  config.addAxis({
    scaleKey: "y",
    placement: "left",
    theme,
    splits: () => Array.from({ length: rows.length + 1 }, (_, index) => index),
    formatValue: (index) => (edge(index) === Infinity ? "∞" : formattedValueToString(unit(edge(index), 0))),
    grid: { show: false },
  });
  config.addSeries({ scaleKey: "y", theme, pathBuilder: () => null, pointsFilter: () => null, lineColor: "transparent" });
  config.addHook("draw", (plot) => {
    const gap = panel.options.cellGap * uPlot.pxRatio;
    counts.forEach((row, index) => {
      const top = plot.valToPos(index + 1, "y", true);
      const bottom = plot.valToPos(index, "y", true);
      for (const [moment, count] of row) {
        const left = plot.valToPos(moment - step, "x", true);
        const right = plot.valToPos(moment, "x", true);
        if (count < panel.options.filterValues.le || left < plot.bbox.left) continue;
        plot.ctx.fillStyle = shade(count);
        plot.ctx.fillRect(left, top, right - left - gap, bottom - top - gap);
      }
    });
  });
  const moments = frames[0].fields[0].values;
  return (
    <>
      <UPlotChart config={config} data={[moments, moments.map(() => null)]} width={width} height={height - 28} />
      <div style={{ display: "flex", gap: 8, alignItems: "center", justifyContent: "center", height: 28, fontSize: 12, color: theme.colors.text.secondary }}>
        0
        <div style={{ width: 240, height: 8, background: `linear-gradient(to right, ${shades.join(",")})` }} />
        {Math.round(most)}
      </div>
    </>
  );
}

const KINDS = { stat: Stat, bargauge: Bars, timeseries: Lines, table: Table, heatmap: HeatMap };

function Panel({ panel }) {
  const frames = useFrames(panel);
  const { x, y, w, h } = panel.gridPos;
  const column = (WIDTH + GAP) / 24;
  const size = { width: w * column - GAP, height: h * (ROW + GAP) - GAP };
  const Kind = KINDS[panel.type];
  return (
    <div data-panel={panel.title} style={{ position: "absolute", left: x * column, top: y * (ROW + GAP), ...size }}>
      <PanelChrome title={panel.title} description={panel.description} {...size}>
        {(width, height) => (
          <div data-body style={{ width, height, position: "relative" }}>
            {frames && <Kind panel={panel} frames={frames} width={width} height={height} />}
          </div>
        )}
      </PanelChrome>
    </div>
  );
}

const Chosen = ({ label, children }) => (
  <span style={{ display: "inline-flex", border: `1px solid ${theme.components.input.borderColor}`, borderRadius: theme.shape.radius.default, lineHeight: "30px" }}>
    <span style={{ padding: "0 8px", background: theme.colors.background.secondary, fontWeight: 500 }}>{label}</span>
    <span style={{ padding: "0 8px", background: theme.components.input.background }}>{children}</span>
  </span>
);

function Page() {
  useEffect(() => {
    window.drawn = true;
  }, []);
  const bottom = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h)) * (ROW + GAP);
  const shown = { datasource: "prometheus", ...answers.chosen };
  const clock = (moment) => moment.utc().format("YYYY-MM-DD HH:mm:ss");
  return (
    <div style={{ width: 1600, padding: 16, boxSizing: "border-box", background: theme.colors.background.canvas, color: theme.colors.text.primary, fontFamily: theme.typography.fontFamily, fontSize: theme.typography.fontSize, letterSpacing: theme.typography.body.letterSpacing }}>
      <div style={{ display: "flex", justifyContent: "space-between", marginBottom: 12 }}>
        <span style={{ fontSize: 20, fontWeight: 500 }}>{dashboard.title}</span>
        <Chosen label={<Icon name="clock-nine" />}>
          {clock(timeRange.from)} to {clock(timeRange.to)} UTC
        </Chosen>
      </div>
      <div style={{ display: "flex", gap: 8, marginBottom: 12 }}>
        {dashboard.templating.list
          .filter(({ type }) => type !== "adhoc")
          .map(({ name, label }) => (
            <Chosen key={name} label={label}>{shown[name] ?? "All"}</Chosen>
          ))}
      </div>
      <div style={{ position: "relative", height: bottom - GAP }}>
        {dashboard.panels.map((panel) => (
          <Panel key={panel.id} panel={panel} />
        ))}
      </div>
      <div style={{ marginTop: 12, fontSize: 12, color: theme.colors.text.secondary }}>
        Drawn, without a Grafana server, from .grafana/{file} and the answers of a real Prometheus that scraped {answers.scraped}, by Grafana's own components (@grafana/ui {version}) in headless
        Chromium; the page around the panels{dashboard.panels.some(({ type }) => type === "heatmap") ? " and the cells of the heat map are" : " is"} dddkit's. “make screenshots” makes it again.
      </div>
    </div>
  );
}

standardTransformersRegistry.setInit(() =>
  [standardTransformers.mergeTransformer, standardTransformers.organizeFieldsTransformer].map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    transformation: async () => transformation,
    editor: () => null,
  })),
);
document.body.style.cssText = `margin: 0; background: ${theme.colors.background.canvas}`;
const eventBus = new EventBusSrv();
createRoot(document.getElementById("root")).render(
  <ThemeContext.Provider value={theme}>
    <PanelContextProvider value={{ eventBus, eventsScope: "page", app: "dashboard" }}>
      <GlobalStyles />
      <Page />
    </PanelContextProvider>
  </ThemeContext.Provider>,
);
