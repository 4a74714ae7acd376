// Usage and recent generations.
import { get } from "./api.js";
import { ago, byId, make, mark, show } from "./dom.js";

const number = new Intl.NumberFormat("en");
const day = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", timeZone: "UTC" });

export async function showOverview() {
  const { quota, days, generations } = await get("/api/v1/account/overview");
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
}

function drawChart(days) {
  const chart = byId("chart");
  const most = Math.max(1, ...days.map((entry) => entry.units));
  const step = 600 / days.length;
  const total = days.reduce((sum, entry) => sum + entry.units, 0);
  chart.setAttribute("aria-label", `${number.format(total)} pictures in the last ${days.length} days`);
  chart.replaceChildren(...days.map((entry, index) => {
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const height = entry.units ? Math.max(4, (entry.units / most) * 126) : 2;
    const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
    title.textContent = `${entry.date}: ${entry.units}`;
    bar.setAttribute("x", index * step + step * 0.16);
    bar.setAttribute("y", 130 - height);
    bar.setAttribute("width", step * 0.68);
    bar.setAttribute("height", height);
    bar.setAttribute("rx", 2);
    if (!entry.units) bar.classList.add("empty");
    bar.append(title);
    return bar;
  }));
  byId("chart-from").textContent = day.format(new Date(days[0].date));
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
