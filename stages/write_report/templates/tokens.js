
"use strict";
(() => {
  const LIMIT = 200, FIRST = 20;
  const data = JSON.parse(document.getElementById("token-data").textContent);
  const box = document.getElementById("token-search"), rows = document.getElementById("token-rows");
  const count = document.getElementById("token-count"), table = rows.closest("table");
  const lower = (text) => text.normalize("NFC").toLowerCase();
  const tokens = data.tokens.map(lower), sources = data.sources.map(lower);

  // Texts go in as text nodes only: no token is ever read as HTML.
  const element = (name, text, of) => {
    const made = document.createElement(name);
    if (of) made.className = of;
    if (text) made.append(text);
    return made;
  };
  const piece = (text, language) => {
    const made = element("bdi", "", "token");
    if (language) made.lang = language;
    let start = 0;
    for (; text[start] === " "; start++) made.append(element("s", "·"));
    made.append(text.slice(start));
    return made;
  };
  const percent = (thousandths) => thousandths < 1 ? "<0.1 %" : `${thousandths / 10} %`;

  const row = (id) => {
    const line = element("tr"), made = data.made[id], from = element("td", "", "text from");
    const head = element("th");
    head.scope = "row";
    head.append(piece(data.tokens[id], table.dataset.target), element("small", `#${id}`));
    const how = data.how ? data.names[data.how.charCodeAt(id) - 97] : "";
    for (let place = 0; place + 1 < made.length; place += 2) {
      const source = element("span");
      source.append(piece(data.sources[made[place]], table.dataset.source), element("small", ` ${percent(made[place + 1])}`));
      from.append(source, " ");
    }
    if (made.length % 2) from.append(element("small", `and ${made[made.length - 1]} more`));
    if (!made.length) from.append(element("small", data.fallback));
    line.append(head);
    if (data.how) line.append(element("td", how, "text"));
    line.append(from);
    return line;
  };

  // Best first: the very token, those that begin so, those that hold it, those made from a source token that holds it.
  const find = (typed) => {
    const number = /^#(\d+)$/.exec(typed.trim());
    if (number) return +number[1] < tokens.length ? [+number[1]] : [];
    const asked = lower(typed).trimEnd() || " ";
    const forms = [...new Set([asked, asked.replace(/[▁·]/g, " ")])];
    const found = [[], [], [], []];
    const lent = sources.map((source) => forms.some((form) => source.includes(form)));
    for (let id = 0; id < tokens.length; id++) {
      const token = tokens[id], bare = token.trimStart();
      let rank = 4;
      for (const form of forms) {
        if (token === form || bare === form) rank = 0;
        else if (token.startsWith(form) || bare.startsWith(form)) rank = Math.min(rank, 1);
        else if (token.includes(form)) rank = Math.min(rank, 2);
      }
      for (let place = 0; rank === 4 && place + 1 < data.made[id].length; place += 2) {
        if (lent[data.made[id][place]]) rank = 3;
      }
      if (rank < 4) found[rank].push(id);
    }
    return found.flat();
  };

  const show = () => {
    const typed = box.value;
    let found, text;
    if (typed === "") {
      found = [...Array(Math.min(FIRST, tokens.length - data.start)).keys()].map((place) => data.start + place);
      text = `${tokens.length.toLocaleString("en")} tokens; these ${found.length} have the lowest ids.`;
    } else {
      const all = find(typed);
      found = all.slice(0, LIMIT);
      text = all.length > LIMIT ? `${all.length.toLocaleString("en")} found, the first ${LIMIT} shown.` : all.length ? `${all.length} found.` : "Nothing found.";
    }
    rows.replaceChildren(...found.map(row));
    rows.closest(".found").hidden = !found.length;
    rows.closest(".found").scrollTop = 0;
    count.textContent = text;
  };

  const fromAddress = () => {
    const given = /^#token=(.*)$/s.exec(location.hash);
    if (!given) return;
    try { box.value = decodeURIComponent(given[1]); } catch { box.value = given[1]; }
    show();
    document.getElementById("made-from").scrollIntoView();
  };

  if (!data.how) table.querySelector("thead th:nth-child(2)").remove();
  document.getElementById("token-finder").hidden = false;
  box.addEventListener("input", show);
  addEventListener("hashchange", fromAddress);
  show();
  fromAddress();
})();
