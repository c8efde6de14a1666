"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const COLOURS = ["#2563eb", "#f59e0b", "#10b981", "#ef4444", "#8b5cf6", "#0891b2", "#db2777", "#65a30d"];
  const MOST_BARS = 20;
  const NAMES = ["input", "output", "cache read", "cache write"];
  const NOBODY = "(none)";
  // Places in a cell.
  const WHEN = 0, MODEL = 1, AGENT = 2, TAGS = 3, CALLS = 4, UNKNOWN = 5, FAILED = 6, REFUSED = 7, CACHED = 8,
    MICRO = 9, TOKENS = 10, COUNTED = 11;

  const make = (tag, attributes = {}, ...inside) => {
    const svg = ["svg", "rect", "line", "text", "title"].includes(tag);
    const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...inside);  // strings become text, never markup
    return node;
  };
  const number = (value, places = 0) =>
    value.toLocaleString("en-US", {minimumFractionDigits: places, maximumFractionDigits: places});
  const isKnown = sum => sum.calls > sum.unknown || sum.calls === 0;
  const amount = value => number(value, value < 1000 ? 4 : 2);
  const credits = sum => isKnown(sum) ? amount(sum.micro / 1e6) : "unknown";
  const dollars = sum => isKnown(sum) ? "$" + amount(sum.micro * 5e-9) : "unknown";

  const nothing = () => ({calls: 0, unknown: 0, failed: 0, refused: 0, cached: 0, micro: 0, counted: 0, tokens: [0, 0, 0, 0]});
  const add = (sum, cell) => {
    sum.calls += cell[CALLS]; sum.unknown += cell[UNKNOWN]; sum.failed += cell[FAILED]; sum.refused += cell[REFUSED];
    sum.cached += cell[CACHED]; sum.micro += cell[MICRO]; sum.counted += cell[COUNTED];
    cell[TOKENS].forEach((count, kind) => { sum.tokens[kind] += count; });
  };
  const grouped = (cells, keysOf) => {
    const groups = new Map();
    for (const cell of cells) for (const key of keysOf(cell)) {
      if (!groups.has(key)) groups.set(key, nothing());
      add(groups.get(key), cell);
    }
    return groups;
  };
  const byCost = groups => [...groups].sort((a, b) => b[1].micro - a[1].micro || (a[0] < b[0] ? -1 : 1));

  const chosen = id => document.getElementById(id).value;
  const selected = () => {
    const agent = chosen("agent"), tag = chosen("tag"), model = chosen("model");
    return data.cells.filter(cell => (agent === "" || cell[AGENT] === +agent) && (tag === "" || cell[TAGS].includes(+tag))
      && (model === "" || cell[MODEL] === +model));
  };

  const cards = sum => [
    ["credits", credits(sum)], ["US dollars", dollars(sum)], ["calls", number(sum.calls)],
    ["calls of unknown cost", number(sum.unknown)], ["failed, not billed", number(sum.failed)],
    ["refused by a budget", number(sum.refused)], ["from a framework's cache", number(sum.cached)],
  ].map(([name, value]) => make("div", {class: "card"}, make("b", {}, value), make("span", {}, name)));

  const section = (title, ...inside) => make("section", {}, make("h2", {}, title), ...inside);

  const inTime = cells => {
    // As wide as it is shown, so that its letters have their size on a phone too.
    const width = Math.max(300, Math.min(1000, document.documentElement.clientWidth - 50)), height = 260, left = 70, bottom = 24, top = 8, right = 6;
    const models = [...new Set(cells.map(cell => cell[MODEL]))].sort((a, b) => a - b);
    const sums = new Map();
    for (const cell of cells) {
      const key = cell[WHEN] * data.models.length + cell[MODEL];
      sums.set(key, (sums.get(key) || 0) + cell[MICRO]);
    }
    const heights = data.times.map((_, when) => models.reduce((sum, model) => sum + (sums.get(when * data.models.length + model) || 0), 0));
    const most = Math.max(...heights, 1);
    const step = (width - left - right) / data.times.length, thick = Math.max(1, Math.min(48, step * 0.7));
    const y = micro => top + (height - top - bottom) * (1 - micro / most);
    const svg = make("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `credits by ${data.unit} and model`});
    for (const share of [0, 0.5, 1]) {
      svg.append(make("line", {class: "grid", x1: left, x2: width - right, y1: y(most * share), y2: y(most * share)}));
      svg.append(make("text", {x: left - 8, y: y(most * share) + 4, "text-anchor": "end"}, number(most * share / 1e6, most < 1e8 ? 2 : 0)));
    }
    const every = Math.ceil(data.times.length / Math.max(2, Math.floor(width / 120)));
    data.times.forEach((name, when) => {
      const x = left + step * (when + 0.5);
      let below = 0;
      for (const model of models) {
        const micro = sums.get(when * data.models.length + model) || 0;
        if (!micro) continue;
        svg.append(make("rect", {x: x - thick / 2, width: thick, y: y(below + micro), height: Math.max(0.5, y(below) - y(below + micro)),
          fill: COLOURS[model % COLOURS.length]}, make("title", {}, `${name}, ${data.models[model]}: ${number(micro / 1e6, 4)} credits`)));
        below += micro;
      }
      if (when % every === 0) svg.append(make("text", {x, y: height - 6, "text-anchor": "middle"}, name));
    });
    const legend = make("div", {class: "legend"}, ...models.map(model =>
      make("span", {}, make("i", {style: `background:${COLOURS[model % COLOURS.length]}`}), data.models[model])));
    return section(`Credits by ${data.unit} (${data.zone}) and model`, legend, svg);
  };

  const bars = (title, rows) => {
    const shown = rows.slice(0, MOST_BARS), most = Math.max(...shown.map(row => row[1]), 1e-9);
    const list = make("div", {class: "bars"});
    for (const [name, value, text] of shown) {
      const bar = make("div", {class: "bar", style: `width:${100 * value / most}%`});
      list.append(make("span", {}, name), make("div", {}, bar), make("b", {}, text));
    }
    const more = rows.length > MOST_BARS ? [make("p", {class: "more"}, `and ${number(rows.length - MOST_BARS)} more, in the table below`)] : [];
    return section(title, list, ...more);
  };

  const table = (title, groups) => {
    const head = [["", ""], ["calls", ""], ["input tokens", "wide"], ["output tokens", "wide"], ["credits", ""], ["USD", ""], ["unknown", "wide"]];
    const rows = byCost(groups), most = 200;
    const body = rows.slice(0, most).map(([name, sum]) => {
      const counted = sum.counted > 0 || sum.calls === 0;
      const values = [name, number(sum.calls), counted ? number(sum.tokens[0] + sum.tokens[2] + sum.tokens[3]) : "unknown",
        counted ? number(sum.tokens[1]) : "unknown", credits(sum), dollars(sum), number(sum.unknown)];
      return make("tr", {}, ...values.map((value, column) => make("td", {class: head[column][1]}, value)));
    });
    const more = rows.length > most ? [make("p", {class: "more"}, `the ${most} largest of ${number(rows.length)}`)] : [];
    return section(title, make("table", {}, make("thead", {}, make("tr", {}, ...head.map(([name, kind]) => make("th", {class: kind}, name)))),
      make("tbody", {}, ...body)), ...more);
  };

  const draw = () => {
    const cells = selected(), all = nothing();
    cells.forEach(cell => add(all, cell));
    document.getElementById("cards").replaceChildren(...cards(all));
    const sections = [];
    if (cells.length) {
      const models = grouped(cells, cell => [data.models[cell[MODEL]]]);
      const tags = grouped(cells, cell => cell[TAGS].map(tag => data.tags[tag]));
      const agents = grouped(cells, cell => [data.agents[cell[AGENT]] || NOBODY]);
      const hasAgents = data.agents.some(name => name !== "");
      const costs = groups => byCost(groups).map(([name, sum]) => [name, sum.micro, `${credits(sum)} · ${dollars(sum)}`]);
      sections.push(inTime(cells));
      if (hasAgents) sections.push(bars("Credits by agent", costs(agents)));
      if (tags.size) sections.push(bars("Credits by tag", costs(tags)));
      sections.push(bars("Tokens by kind", NAMES.map((name, kind) => [name, all.tokens[kind], number(all.tokens[kind])])));
      sections.push(table("Models", models));
      if (hasAgents) sections.push(table("Agents", agents));
      if (tags.size) sections.push(table("Tags", tags));
    }
    document.getElementById("sections").replaceChildren(...sections);
  };

  for (const [id, names] of [["agent", data.agents], ["tag", data.tags], ["model", data.models]]) {
    const select = document.getElementById(id);
    select.append(make("option", {value: ""}, "all"), ...names.map((name, place) => make("option", {value: place}, name || NOBODY)));
    select.addEventListener("change", draw);
    if (names.length < 2) select.parentElement.hidden = !names.some(name => name !== "");
  }
  window.addEventListener("resize", draw);
  draw();
})();
