// Shows what the server says of its gateways, about once a second.

const $ = id => document.getElementById(id);
const number = new Intl.NumberFormat("en");

function element(name, properties = {}, ...children) {
  const e = document.createElement(name);
  const { data, ...rest } = properties;
  Object.assign(e, rest);
  Object.assign(e.dataset, data);
  e.append(...children);
  return e;
}

function trail(values) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", "0 0 100 20");
  svg.setAttribute("preserveAspectRatio", "none");
  if (values.length > 1) {
    const low = Math.min(...values), high = Math.max(...values);
    const line = document.createElementNS(ns, "polyline");
    line.setAttribute("points", values.map((v, i) =>
      `${i / (values.length - 1) * 100},${high > low ? 18 - (v - low) / (high - low) * 16 : 10}`).join(" "));
    svg.append(line);
  }
  return svg;
}

function row(g) {
  const values = Object.entries(g.sensors).sort().map(([sensor, value]) =>
    element("span", { className: "value", data: { sensor, value } }, element("small", {}, sensor), String(value)));
  const shown = element("td", { className: "trail" }, trail(g.trail));
  shown.title = g.sensor ? `${g.sensor}, the last ${g.trail.length} values` : "";
  return element("tr", { data: { name: g.name, online: g.online, have: g.have, lost: g.lost } },
    element("td", { className: "place" }, g.name),
    element("td", { className: "status" }, g.online ? "online" : "offline"),
    element("td", { className: "values" }, ...values),
    shown,
    element("td", { className: "number", data: { of: "readings" } }, number.format(g.have)),
    element("td", { className: "number", data: { of: "lost" } }, number.format(g.lost)));
}

function alarm(a) {
  return element("li", { data: { gateway: a.gateway } },
    element("time", { dateTime: new Date(a.t).toISOString() }, new Date(a.t).toLocaleTimeString()),
    element("span", { className: "place" }, a.gateway),
    element("span", {}, `${a.text} (${a.s} ${a.v.toFixed(1)})`));
}

function total(id, n) {
  $(id).dataset.value = n;
  $(id).textContent = number.format(n);
}

let before;
function show(s) {
  total("online", s.online);
  total("readings", s.counts.readings);
  total("backlog", s.counts.backlog);
  total("alarms", s.counts.alarms);
  if (before && s.time > before.time) {
    $("rate").textContent = `${number.format(Math.round((s.counts.readings - before.counts.readings) / (s.time - before.time) * 1000))} in a second`;
  }
  before = s;
  $("gateways").replaceChildren(...s.gateways.map(row));
  $("none").hidden = s.known > 0;
  document.querySelector("table").hidden = s.known === 0;
  $("more").hidden = s.known <= s.gateways.length;
  $("more").textContent = `and ${number.format(s.known - s.gateways.length)} more`;
  $("alarm-list").replaceChildren(...(s.alarms ?? []).map(alarm));
  $("quiet").hidden = s.counts.alarms > 0;
}

const live = new EventSource("/api/live");
live.onopen = () => {
  document.body.dataset.state = "open";
  $("state").textContent = "live";
};
live.onerror = () => {
  document.body.dataset.state = "lost";
  $("state").textContent = "the server does not answer; trying again";
};
live.onmessage = e => show(JSON.parse(e.data));
