// hlog.cjs FOLDER: the interval log, read by the JavaScript HdrHistogram, holds what the JSON says.
const fs = require("fs");
const path = require("path");
const hdr = require("hdr-histogram-js");

const folder = process.argv[2];
const report = JSON.parse(fs.readFileSync(path.join(folder, "report.json"), "utf8"));
const reader = new hdr.HistogramLogReader(fs.readFileSync(path.join(folder, "latency.hlog"), "utf8"));
const found = new Map();
for (let histogram; (histogram = reader.nextIntervalHistogram()); ) found.set(histogram.tag, histogram);

let compared = 0;
for (const scenario of report.scenarios) {
  for (const step of scenario.steps.filter((step) => step.response_hdr)) {
    const tag = `${scenario.name}:${step.name}`.replace(/[,\s]/g, "_");
    const histogram = found.get(tag);
    if (!histogram) throw new Error(`no histogram ${tag}; there are ${[...found.keys()]}`);
    if (histogram.totalCount !== step.response.count) throw new Error(`${tag}: ${histogram.totalCount}`);
    const p50 = histogram.getValueAtPercentile(50) / 1e6;
    // Three digits, and the reader's own rounding.
    if (Math.abs(p50 - step.response.p50) > 0.002 * step.response.p50 + 0.001)
      throw new Error(`${tag}: p50 ${p50}, expected ${step.response.p50}`);
    compared += 1;
  }
}
if (!compared) throw new Error("no histogram was compared");
console.log(`HDR log: ${compared} histograms agree with the report`);
