"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const name = document.body.dataset.name;
  const tip = document.getElementById("tip");
  const PAGE = 20; // rows of a table that are drawn at first
  const TEXT = -1, YES = -2; // kinds of columns, as in listing.py
  let touched = false; // whether the reader sorted, filtered or asked for more

  // tables: drawn when they come near the window

  const shown = (value, digits) => {
    if (value === null || value === undefined) return "–";
    if (digits === YES) return value ? "yes" : "no";
    if (typeof value !== "number") return String(value);
    return digits > 0 ? value.toFixed(digits) : value.toLocaleString("en");
  };
  const element = (tag, words, css) => {
    const made = document.createElement(tag);
    if (words !== undefined) made.textContent = words;
    if (css) made.className = css;
    return made;
  };
  const before = (a, b) => {
    const [x, y] = [Number(a), Number(b)]; // "0.002" and "1e-4" are numbers too
    const numbers = a !== "" && b !== "" && !Number.isNaN(x) && !Number.isNaN(y);
    return numbers ? x - y : String(a).localeCompare(String(b), "en", { numeric: true });
  };
  const sorted = (rows, column, down) => {
    const empty = (row) => row[column] === null;
    return rows.slice().sort((a, b) => {
      if (empty(a) || empty(b)) return empty(a) - empty(b); // missing values are last
      return down ? before(b[column], a[column]) : before(a[column], b[column]);
    });
  };

  const table = (box) => {
    const { columns, rows } = data.tables[box.dataset.table];
    const [head, body] = [box.querySelector("thead"), box.querySelector("tbody")];
    const [search, more] = [box.querySelector("input"), box.querySelector(".more")];
    const count = box.querySelector(".count");
    const state = { column: -1, down: false, limit: PAGE };
    const css = (digits) => (digits === TEXT || digits === YES ? "" : "n");

    const draw = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const fits = (row) => {
        const text = row.map((value, i) => shown(value, columns[i][2])).join("\t").toLowerCase();
        return words.every((word) => text.includes(word));
      };
      let found = words.length ? rows.filter(fits) : rows;
      if (state.column >= 0) found = sorted(found, state.column, state.down);
      const lines = found.slice(0, state.limit).map((row) => {
        const line = element("tr");
        row.forEach((value, i) => {
          const text = shown(value, columns[i][2]);
          line.append(element("td", text, text.length > 60 ? "long" : css(columns[i][2])));
        });
        return line;
      });
      body.replaceChildren(...lines);
      more.hidden = found.length <= state.limit;
      more.textContent = `show more (${(found.length - state.limit).toLocaleString("en")})`;
      const all = rows.length.toLocaleString("en");
      count.textContent = words.length ? `${found.length.toLocaleString("en")} of ${all}` : all;
      return found;
    };
    const titles = columns.map(([, title, digits], i) => {
      const cell = element("th", undefined, css(digits));
      cell.scope = "col";
      const button = element("button", title);
      button.type = "button";
      button.addEventListener("click", () => {
        touched = true;
        state.down = state.column === i ? !state.down : digits >= 0 || digits === YES;
        state.column = i;
        titles.forEach((other) => other.removeAttribute("aria-sort"));
        cell.setAttribute("aria-sort", state.down ? "descending" : "ascending");
        draw();
      });
      cell.append(button);
      return cell;
    });
    const line = element("tr");
    line.append(...titles);
    head.replaceChildren(line);
    search.addEventListener("input", () => { touched = true; state.limit = PAGE; draw(); });
    more.addEventListener("click", () => { touched = true; state.limit += 10 * PAGE; draw(); });
    box.querySelector("[data-save]").addEventListener("click", () => {
      const kept = draw().map((row) => row);
      save(new Blob([csv(columns.map((column) => column[0]), kept)], { type: "text/csv" }), `${box.dataset.table}.csv`);
    });
    draw();
    return () => { state.limit = Math.max(state.limit, 400); draw(); };
  };

  const longer = [];
  const boxes = [...document.querySelectorAll("[data-table]")];
  const start = (box) => {
    if (box.dataset.drawn) return;
    box.dataset.drawn = "yes";
    longer.push(table(box));
  };
  const seen = new IntersectionObserver((entries) => {
    entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
      seen.unobserve(entry.target);
      start(entry.target);
    });
  }, { rootMargin: "600px" });
  boxes.forEach((box) => seen.observe(box));
  window.addEventListener("beforeprint", () => { boxes.forEach(start); longer.forEach((draw) => draw()); });

  // saving: the drawing as SVG and PNG in the light colours, its numbers as CSV

  const csv = (columns, rows) => {
    const cell = (value) => {
      const plain = value === null || value === undefined ? "" : String(value);
      const formula = typeof value === "string" && /^'*[=+\-@\t\r\n＝＋－＠]/.test(plain)
        && !/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(plain);
      const text = formula ? `'${plain}` : plain; // as in the CSV files: a text, not a formula
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    return [columns, ...rows].map((row) => row.map(cell).join(",")).join("\n") + "\n";
  };
  const save = (blob, file) => {
    const link = element("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${name}-${file}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };
  const drawing = (figure) => {
    const svg = figure.querySelector("svg").cloneNode(true);
    const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
    svg.setAttribute("width", width);
    svg.setAttribute("height", height);
    svg.querySelectorAll("[data-words]").forEach((mark) => {
      const title = document.createElementNS(svg.namespaceURI, "title");
      title.textContent = mark.dataset.words;
      mark.removeAttribute("data-words");
      mark.prepend(title);
    });
    const rules = [...document.styleSheets[0].cssRules];
    const light = rules[0].style; // the first rule of the page holds the light colours
    const plain = (text) => text.replace(/var\((--\w+)\)/g, (_, key) => light.getPropertyValue(key).trim());
    const own = rules.filter((rule) => rule.selectorText?.startsWith("svg ")).map((rule) => plain(rule.cssText));
    const style = document.createElementNS(svg.namespaceURI, "style");
    style.textContent = own.join("\n");
    svg.prepend(style);
    return { text: new XMLSerializer().serializeToString(svg), width, height, paper: plain("var(--paper)") };
  };
  const savePng = ({ text, width, height, paper }, file) => {
    const image = new Image();
    image.onload = () => {
      const canvas = element("canvas");
      [canvas.width, canvas.height] = [3 * width, 3 * height];
      const pen = canvas.getContext("2d");
      pen.fillStyle = paper;
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => save(blob, file));
    };
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  };
  document.querySelectorAll("[data-figure]").forEach((figure) => {
    const key = figure.dataset.figure;
    const kinds = {
      svg: () => save(new Blob([drawing(figure).text], { type: "image/svg+xml" }), `${key}.svg`),
      png: () => savePng(drawing(figure), `${key}.png`),
      csv: () => {
        const { columns, rows } = data.figures[key];
        save(new Blob([csv(columns, rows)], { type: "text/csv" }), `${key}.csv`);
      },
    };
    figure.querySelectorAll("[data-save]").forEach((button) =>
      button.addEventListener("click", () => kinds[button.dataset.save]()));
  });

  // values of marks: under the pointer, and with arrow keys in the focused figure

  const wordsOf = (mark) => {
    const title = mark.querySelector(":scope > title");
    if (title) { mark.dataset.words = title.textContent; title.remove(); } // else it would show twice
    return mark.dataset.words;
  };
  const show = (words, x, y) => {
    tip.textContent = words;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - box.width - 4))}px`;
    tip.style.top = `${y + 18 + box.height > innerHeight ? y - box.height - 10 : y + 18}px`;
  };
  const hide = () => { tip.hidden = true; };
  const gridWords = (figure, row, column) => {
    const { columns, rows } = data.figures[figure.dataset.figure];
    const value = rows[row]?.[column + 1];
    return value === undefined ? "" : `${rows[row][0]}, ${columns[column + 1]}: ${value === null ? "–" : value.toFixed(3)}`;
  };
  const gridPlace = (cells, event) => {
    const [left, top, width, height] = cells.dataset.cells.split(" ").map(Number);
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(cells.getScreenCTM().inverse());
    return [Math.floor((at.y - top) / height), Math.floor((at.x - left) / width)];
  };
  document.addEventListener("pointermove", (event) => {
    const cells = event.target.closest?.(".plot [data-cells]");
    const mark = event.target.closest?.(".plot .m");
    const words = mark ? wordsOf(mark) : cells ? gridWords(cells.closest("figure"), ...gridPlace(cells, event)) : "";
    if (words) show(words, event.clientX, event.clientY); else hide();
  });
  document.addEventListener("pointerleave", hide);
  document.addEventListener("scroll", hide, { passive: true });

  const STEPS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
  const walkGrid = (svg, cells, [down, across]) => {
    const [left, top, width, height, columns, rows] = cells.dataset.cells.split(" ").map(Number);
    const wrap = (value, count) => (value + count) % count;
    const [row, column] = (svg.dataset.at ?? "0 -1").split(" ").map(Number);
    const at = svg.dataset.at ? [wrap(row + down, rows), wrap(column + across, columns)] : [0, 0];
    svg.dataset.at = at.join(" ");
    const point = new DOMPoint(left + (at[1] + 0.5) * width, top + (at[0] + 0.5) * height).matrixTransform(cells.getScreenCTM());
    show(gridWords(svg.closest("figure"), ...at), point.x, point.y);
  };
  const walkMarks = (svg, [down, across]) => {
    const marks = [...svg.querySelectorAll(".m")];
    if (!marks.length) return;
    const now = marks.findIndex((mark) => mark.classList.contains("on"));
    const next = marks[(now + down + across + marks.length) % marks.length] ?? marks[0];
    marks[now]?.classList.remove("on");
    next.classList.add("on");
    const box = next.getBoundingClientRect();
    show(wordsOf(next), box.left + box.width / 2, box.top + box.height / 2);
  };
  document.querySelectorAll(".plot svg").forEach((svg) => {
    svg.addEventListener("keydown", (event) => {
      if (event.key === "Escape") hide();
      if (!STEPS[event.key]) return;
      event.preventDefault();
      const cells = svg.querySelector("[data-cells]");
      if (cells) walkGrid(svg, cells, STEPS[event.key]); else walkMarks(svg, STEPS[event.key]);
    });
    svg.addEventListener("blur", () => {
      svg.querySelector(".on")?.classList.remove("on");
      delete svg.dataset.at;
      hide();
    });
  });

  // while runs are unfinished: reload the page, unless the reader is using it

  const live = document.querySelector(".live");
  const every = Number(document.body.dataset.reload);
  const busy = () =>
    touched || scrollY > 40 || !getSelection().isCollapsed || !tip.hidden ||
    [...document.querySelectorAll("input")].some((input) => input.value) ||
    document.querySelector("details[open]") !== null ||
    (document.activeElement !== document.body && document.activeElement !== null);
  const say = () => { live.textContent = busy() ? "not reloaded while you read" : "reloads itself"; };
  if (every > 0 && live) {
    say();
    setInterval(say, 1000);
    setInterval(() => { if (!busy()) location.reload(); }, 1000 * every);
  }
})();
