// Usage and recent generations.
import { get } from "./api.js";
import { ago, byId, make, mark, show } from "./dom.js";

const number = new Intl.NumberFormat("en");
const day = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", timeZone: "UTC" });

// Links live for ten minutes; what is on its way is looked at more often.
const RENEW_MS = 8 * 60_000;
const LIVE_MS = 3_000;
const RETRY_MS = 30_000;
let timer = null;
let asked = null;
let askedAt = 0;

// Shows the overview, and again while a job is on its way or before its links end. An answer that a newer call overtook
// is not shown.
export async function followOverview() {
  clearTimeout(timer);
  askedAt = Date.now();
  const call = asked = get("/api/v1/account/overview");
  let wait = RETRY_MS;
  try {
    const overview = await call;
    if (call === asked) wait = showOverview(overview) ? LIVE_MS : RENEW_MS;
  } finally {
    if (call === asked) timer = setTimeout(again, wait);
  }
}

// A page in the background waits until it is looked at.
async function again() {
  if (!document.hidden) await followOverview().catch(() => {});
}

document.addEventListener("visibilitychange", () => {
  if (timer && !document.hidden && Date.now() - askedAt > LIVE_MS) {
    clearTimeout(timer);
    again();
  }
});

// Whether a job is on its way.
function showOverview({ quota, days, generations }) {
  byId("charged").textContent = number.format(quota.charged);
  byId("of-limit").textContent = `of ${number.format(quota.limit)} pictures this month`;
  byId("meter").max = Math.max(1, quota.limit);
  byId("meter").value = quota.charged;
  const held = quota.reserved ? `${number.format(quota.reserved)} reserved by jobs in flight. ` : "";
  byId("resets").textContent = `${held}Resets on ${day.format(new Date(quota.resetsAt))}.`;
  drawChart(days);
  const list = byId("recent");
  list.replaceChildren(...generations.map(generation));
  show(byId("recent-none"), generations.length === 0);
  return generations.some(({ status }) => status === "queued" || status === "processing");
}

// The next round number that an axis may end at, whose half is whole: 2, 4, 10, 20, 40, 100 …
function roundUp(units) {
  const power = 10 ** Math.floor(Math.log10(units));
  return [2, 4, 10].map((step) => step * power).find((step) => step >= units);
}

function drawChart(days) {
  const top = roundUp(Math.max(1, ...days.map((entry) => entry.units)));
  const total = days.reduce((sum, entry) => sum + entry.units, 0);
  const step = 600 / days.length;
  const chart = byId("chart");
  chart.setAttribute("aria-label", `${number.format(total)} pictures in the last ${days.length} days; the table below has each day`);
  chart.replaceChildren(...days.map((entry, index) => {
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const height = entry.units ? Math.max(3, (entry.units / top) * 120) : 1.5;
    const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
    title.textContent = `${entry.date}: ${entry.units}`;
    bar.setAttribute("x", index * step + step * 0.16);
    bar.setAttribute("y", 120 - height);
    bar.setAttribute("width", step * 0.68);
    bar.setAttribute("height", height);
    if (!entry.units) bar.classList.add("empty");
    bar.append(title);
    return bar;
  }));
  byId("chart-axis").replaceChildren(...[top, top / 2, 0].map((units) => make("span", { textContent: number.format(units) })));
  byId("chart-from").textContent = day.format(new Date(days[0].date));
  byId("chart-table").replaceChildren(...days.filter((entry) => entry.units).reverse().map((entry) =>
    make("tr", {}, make("th", { scope: "row", textContent: day.format(new Date(entry.date)) }), make("td", { textContent: number.format(entry.units) }))));
  show(byId("chart-days"), total > 0);
}

function generation(item) {
  const words = item.prompt || item.mode;
  const picture = item.pictureUrl
    ? make("a", { href: item.pictureUrl, target: "_blank", rel: "noopener" },
      make("img", { src: item.thumbnailUrl ?? item.pictureUrl, alt: words, loading: "lazy" }))
    : make("div", { className: "blank" }, mark(item.status));
  if (item.pictures > 1) picture.append(make("span", { className: "count", textContent: `${item.pictures}`, title: `${item.pictures} pictures` }));
  return make("li", {}, picture, make("p", { textContent: words, title: words }),
    make("span", { className: "quiet small", textContent: ago(item.createdAt) }));
}
