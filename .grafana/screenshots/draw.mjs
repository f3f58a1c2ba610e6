// Draw the dashboards that there are recorded answers of Prometheus for: node draw.mjs <chromium> <answers.json>...
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const [executablePath, ...answersPaths] = process.argv.slice(2);
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const read = async (path) => JSON.parse(await readFile(path, "utf8"));
const recorded = await Promise.all(answersPaths.map(read));
const { version } = await read(here("node_modules/@grafana/ui/package.json"));

const bundle = await build({
  entryPoints: [here("page.jsx")],
  bundle: true,
  write: false,
  outdir: "out",
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"', global: "window" },
  loader: { ".ttf": "empty", ".woff": "dataurl", ".woff2": "dataurl", ".svg": "dataurl" },
  logLevel: "error",
});
const [script, style] = [".js", ".css"].map((end) => bundle.outputFiles.find((file) => file.path.endsWith(end)).text);

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  for (const [file, picture] of [
    ["stories-execution-dashboard.json", "stories.png"],
    ["stories-steps-execution-dashboard.json", "stories_steps.png"],
    ["durable-stories-dashboard.json", "durable_stories.png"],
  ]) {
    const dashboard = await read(here(`../${file}`));
    const answers = recorded.find(({ answers }) => dashboard.uid in answers);
    if (!answers) continue;
    const page = await browser.newPage({ viewport: { width: 1600, height: 1000 }, timezoneId: "UTC" });
    const complaints = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("requestfailed", (request) => complaints.push(`not found: ${request.url()}`));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    // No network access: the page, Grafana's icons and its fonts come from local files.
    await page.route("**/*", async (route) => {
      const { pathname } = new URL(route.request().url());
      if (pathname === "/") return route.fulfill({ contentType: "text/html", body: `<!doctype html><style>${style}</style><div id="root"></div>` });
      const icon = pathname.match(/\/img\/icons\/([\w-]+\/[\w-]+\.svg)$/);
      if (icon) return route.fulfill({ path: here(`node_modules/@grafana/ui/dist/public/img/icons/${icon[1]}`) });
      const font = pathname.match(/\/Inter-(Regular|Medium)\.woff2$/);
      if (font) return route.fulfill({ path: here(`node_modules/@fontsource/inter/files/inter-latin-${font[1] === "Medium" ? 500 : 400}-normal.woff2`) });
      return route.abort();
    });
    await page.goto("http://dashboard.invalid/");
    await page.evaluate((given) => Object.assign(window, given), { dashboard, answers, file, version });
    await page.addScriptTag({ content: script });
    await page.waitForFunction(() => window.drawn, null, { timeout: 20_000 }).catch((error) => complaints.push(String(error)));
    // The browser draws only what is visible, so make the viewport as high as the page.
    await page.setViewportSize({ width: 1600, height: await page.evaluate(() => document.documentElement.scrollHeight) });
    await page.waitForTimeout(1500); // Grafana's components measure their size and draw again

    for (const { title, box, text, canvases, overflow } of await page.evaluate(inspect)) {
      if (/No data|NaN|undefined/.test(text)) complaints.push(`${title}: ${text}`);
      if (!text && !canvases) complaints.push(`${title}: nothing is drawn`);
      if (overflow) complaints.push(`${title}: something sticks out of the panel (${overflow})`);
      if (box.width < 50 || box.height < 50) complaints.push(`${title}: is squeezed to ${box.width} x ${box.height}`);
    }
    await page.screenshot({ path: here(`../${picture}`), fullPage: true });
    await page.close();
    if (complaints.length) throw new Error(`${picture}:\n${complaints.join("\n")}`);
    console.log(`.grafana/${picture}: ${dashboard.panels.length} panels`);
  }
} finally {
  await browser.close();
}

function inspect() {
  return [...document.querySelectorAll("[data-panel]")].map((panel) => {
    const box = panel.getBoundingClientRect();
    const body = panel.querySelector("[data-body]");
    const out = [...body.querySelectorAll("*")].find((element) => {
      const { width, height, right, bottom } = element.getBoundingClientRect();
      const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
      for (let around = element; around !== body; around = around.parentElement) {
        if (/auto|scroll/.test(getComputedStyle(around).overflowY)) return false; // the user can scroll there
      }
      return hasText && width && height && (right > box.right + 1 || bottom > box.bottom + 1);
    });
    return {
      title: panel.dataset.panel,
      box: { width: box.width, height: box.height },
      text: body.innerText.trim(),
      canvases: body.querySelectorAll("canvas").length,
      overflow: out && out.innerText,
    };
  });
}
