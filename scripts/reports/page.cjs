// page.cjs PAGE...: no axe violation, no console message, no request, no sideways scrolling.
const fs = require("fs");
const path = require("path");
const puppeteer = require("puppeteer-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const WIDTHS = [["phone", 360, 740], ["desktop", 1280, 900]];
const SCHEMES = ["light", "dark"];

(async () => {
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });
  let problems = 0;
  let looks = 0;
  for (const file of process.argv.slice(2)) {
    for (const [name, width, height] of WIDTHS) {
      for (const scheme of SCHEMES) {
        const page = await browser.newPage();
        const say = (what) => { problems += 1; console.error(`${path.basename(file)} ${name} ${scheme}: ${what}`); };
        page.on("console", (message) => say(`console: ${message.text()}`));
        page.on("pageerror", (error) => say(`error: ${error.message}`));
        page.on("request", (request) => {
          if (!/^(file|data|about):/.test(request.url())) say(`request: ${request.url()}`);
        });
        await page.setViewport({ width, height });
        await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
        // axe is ours, the page's policy allows no script at all.
        await page.setBypassCSP(true);
        await page.goto(`file://${path.resolve(file)}`, { waitUntil: "load" });
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
        if (overflow) say("scrolls sideways");
        if (!(await page.$("svg[role=img]")) && file.includes("report")) say("no plot");
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => axe.run());
        for (const { id, help, nodes } of violations) say(`axe ${id}: ${help} (${nodes[0].html.slice(0, 120)})`);
        if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${path.basename(file)}-${name}-${scheme}.png`, fullPage: true });
        looks += 1;
        await page.close();
      }
    }
  }
  await browser.close();
  console.log(`pages: ${looks} looks, ${problems} problems`);
  process.exit(problems ? 1 : 0);
})();
