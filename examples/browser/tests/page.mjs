// Types questions into the page. Reads {url, browser, questions, views} and writes JSON:
// {answers: [[[passage, logit], ...], ...], requests, problems, wide, threads}.
// A view is {width, height, dark, file}; the page is looked at in each, and kept in `file` if named.
import { text } from "node:stream/consumers";
import { chromium } from "playwright-core";

const { url, browser: executablePath, questions, views } = JSON.parse(await text(process.stdin));
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const page = await browser.newPage();
  const requests = [];
  const problems = [];
  page.context().on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.goto(url);
  await page.getByText("Ready:").waitFor({ timeout: 120_000 });
  const answers = [];
  for (const question of questions) {
    await page.keyboard.press("ControlOrMeta+A"); // the question has the focus from the start
    await page.keyboard.type(question);
    await page.locator(`#passages[data-query=${JSON.stringify(question)}]`).waitFor({ timeout: 120_000 });
    answers.push(await page.locator("#passages li").evaluateAll((items) =>
      items.map((item) => [item.querySelector("p").textContent, Number(item.dataset.logit)]),
    ));
  }
  const wide = [];
  for (const { width, height, dark, file } of views) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: dark ? "dark" : "light" });
    wide.push(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth));
    if (file) await page.screenshot({ path: file });
  }
  const isolated = await page.evaluate(() => crossOriginIsolated);
  process.stdout.write(JSON.stringify({ answers, requests, problems, wide, isolated }));
} finally {
  await browser.close();
}
