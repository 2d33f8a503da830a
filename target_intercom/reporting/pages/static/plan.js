"use strict";
(() => {
  const { shapes, streams, rows } = JSON.parse(document.getElementById("data").textContent);
  const size = Number(document.getElementById("data").dataset.page);
  const list = document.getElementById("writes");
  const controls = document.getElementById("filters");
  const [operation, stream, attribute, text] = ["operation", "stream", "attribute", "text"].map((id) => document.getElementById(id));
  const [before, after, place] = ["before", "after", "place"].map((id) => document.getElementById(id));
  let found = rows;
  let page = 0;
  let words = null;

  const make = (tag, name, content) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (content !== undefined) element.append(...[].concat(content));
    return element;
  };
  const choice = (select, values) => {
    for (const value of values) {
      const option = make("option", "", value === "" ? "(none)" : value);
      option.value = "=" + value;
      select.append(option);
    }
    select.closest("div").hidden = values.length < 2;
  };
  const date = (name, value) => {
    if (!name.endsWith("_at") || !/^\d{9,11}$/.test(value)) return "";
    return new Date(value * 1000).toISOString().slice(0, 16).replace("T", " ") + " UTC";
  };
  const value = (name, said, kind, known = true) => {
    const cell = make("td", kind);
    if (!known) cell.append(make("span", "none", "not shown by Intercom"));
    else if (said === null) cell.append(make("span", "none", "empty"));
    else {
      cell.append(make("span", "value", said));
      if (date(name, said)) cell.append(" ", make("span", "hint", date(name, said)));
    }
    return cell;
  };
  const item = (row) => {
    const [what, kind, facts, attributes, hows] = shapes[row[0]];
    const entry = make("li");
    const head = make("p", "head", [make("span", "chip " + what.replace(/[^a-z_]/g, ""), what), make("b", "name", row[2])]);
    if (kind && kind !== "contact") head.append(make("span", "chip", kind));
    const about = streams[row[1]] ? [make("span", "name", "stream " + streams[row[1]])] : [];
    let next = 3;
    for (const name of facts) about.push(make("span", "name", name + " " + row[next++]));
    entry.append(head, make("p", "about", about.flatMap((one, place) => (place ? [" · ", one] : [one]))));
    if (attributes.length) {
      const body = make("tbody");
      attributes.forEach((name, place) => {
        const line = make("tr", "", make("th", "name", name));
        line.firstChild.scope = "row";
        if (hows[place] === 1) line.append(value(name, row[next++], "old"));
        else if (hows[place] === 2) line.append(value(name, null, "old", false));
        line.append(value(name, row[next++], "new"));
        if (hows[place] === 0) line.lastChild.colSpan = 2;
        body.append(line);
      });
      const table = make("table", "changes", [make("caption", "unseen", "What would change of " + row[2]), body]);
      entry.append(table);
    }
    return entry;
  };
  const show = () => {
    const pages = Math.max(1, Math.ceil(found.length / size));
    page = Math.min(Math.max(page, 0), pages - 1);
    list.replaceChildren(...found.slice(page * size, (page + 1) * size).map(item));
    say();
  };
  const say = () => {
    const pages = Math.max(1, Math.ceil(found.length / size));
    before.disabled = page === 0;
    after.disabled = page === pages - 1;
    const of = found.length === rows.length ? "" : " of " + rows.length.toLocaleString("en");
    place.textContent = found.length.toLocaleString("en") + of + " operations, page " + (page + 1) + " of " + pages;
  };
  const filter = () => {
    const wanted = text.value.trim().toLowerCase();
    if (wanted && !words) words = rows.map((row) => (streams[row[1]] + "\n" + row.slice(2).join("\n")).toLowerCase());
    const fits = shapes.map(
      ([what, , , attributes]) =>
        (!operation.value || operation.value === "=" + what) &&
        (!attribute.value || attributes.includes(attribute.value.slice(1))),
    );
    found = rows.filter(
      (row, place) =>
        fits[row[0]] && (!stream.value || stream.value === "=" + streams[row[1]]) && (!wanted || words[place].includes(wanted)),
    );
    page = 0;
    show();
  };

  choice(operation, [...new Set(shapes.map((shape) => shape[0]))]);
  choice(stream, [...streams]);
  choice(attribute, [...new Set(shapes.flatMap((shape) => shape[3]))].sort());
  for (const select of [operation, stream, attribute]) select.addEventListener("change", filter);
  let waiting = 0;
  text.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 150);
  });
  controls.addEventListener("submit", (event) => {
    event.preventDefault();
    filter();
  });
  controls.addEventListener("reset", () => setTimeout(filter, 0));
  const turn = (step) => {
    page += step;
    show();
    list.scrollIntoView();
    list.focus({ preventScroll: true });
  };
  before.addEventListener("click", () => turn(-1));
  after.addEventListener("click", () => turn(1));
  for (const part of document.querySelectorAll(".needs-script")) part.hidden = false;
  for (const part of document.querySelectorAll(".without-script")) part.hidden = true;
  say();
})();
