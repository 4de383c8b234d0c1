"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const name = document.body.dataset.name;
  const tip = document.getElementById("tip");
  let touched = false; // whether the reader sorted or filtered

  // tables: all rows are in the page; they are sorted and filtered in place

  const element = (tag, words, css) => {
    const made = document.createElement(tag);
    if (words !== undefined) made.textContent = words;
    if (css) made.className = css;
    return made;
  };
  const NONE = "–";
  const plain = (cell) => {
    const text = cell.textContent;
    if (text === NONE) return "";
    return cell.dataset.v ?? (cell.className === "n" ? text.replaceAll(",", "") : text);
  };
  const before = (a, b) => {
    const [x, y] = [Number(a), Number(b)]; // "0.002" and "1e-4" are numbers too
    const numbers = !Number.isNaN(x) && !Number.isNaN(y);
    return numbers ? x - y : a.localeCompare(b, "en", { numeric: true });
  };
  const sorted = (rows, column, down) => {
    const keyed = rows.map((row) => [plain(row.cells[column]), row]);
    keyed.sort(([a], [b]) => {
      if (a === "" || b === "") return (a === "") - (b === ""); // missing values are last
      return down ? before(b, a) : before(a, b);
    });
    return keyed.map(([, row]) => row);
  };
  document.querySelectorAll("[data-table]").forEach((box) => {
    const [search, count, body] = [box.querySelector("input"), box.querySelector(".count"), box.querySelector("tbody")];
    const titles = [...box.querySelectorAll("thead th")];
    const original = [...body.rows];
    const tell = () => {
      const [all, left] = [original.length, original.filter((row) => !row.hidden).length];
      count.textContent = left < all ? `${left.toLocaleString("en")} of ${all.toLocaleString("en")}` : all.toLocaleString("en");
    };
    search.addEventListener("input", () => {
      touched = true;
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      original.forEach((row) => {
        const text = words.length ? [...row.cells].map((cell) => cell.textContent).join("\t").toLowerCase() : "";
        row.hidden = !words.every((word) => text.includes(word));
      });
      tell();
    });
    titles.forEach((title) => title.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); event.target.click(); }
    }));
    titles.forEach((title, i) => title.firstElementChild.addEventListener("click", () => {
      touched = true;
      const now = title.getAttribute("aria-sort");
      const down = now ? now === "ascending" : title.className === "n" || title.dataset.key === "may_be_best";
      titles.forEach((other) => other.removeAttribute("aria-sort"));
      title.setAttribute("aria-sort", down ? "descending" : "ascending");
      body.append(...sorted(original, i, down));
    }));
    box.querySelector("[data-save]").addEventListener("click", () => {
      const kept = [...body.rows].filter((row) => !row.hidden).map((row) => [...row.cells].map(plain));
      save(new Blob([csv(titles.map((title) => title.dataset.key), kept)], { type: "text/csv" }), `${box.dataset.table}.csv`);
    });
    tell();
  });
  let closed = []; // what is folded on the screen is printed
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((part) => { part.open = true; });
  });
  window.addEventListener("afterprint", () => closed.forEach((part) => { part.open = false; }));

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
  const MARGIN = 12;
  const titled = (svg, title, width) => { // a saved drawing says what it is, and of which sweep
    const line = (words, css, y) => {
      const text = document.createElementNS(svg.namespaceURI, "text");
      text.textContent = words;
      text.setAttribute("class", css);
      text.setAttribute("x", 0);
      text.setAttribute("y", y);
      svg.prepend(text);
    };
    const most = Math.max(Math.floor(width / 7), 12);
    const lines = title.split(" ").reduce((all, word) => {
      const last = all[all.length - 1];
      return last && `${last} ${word}`.length <= most ? [...all.slice(0, -1), `${last} ${word}`] : [...all, word];
    }, []);
    const head = 18 * lines.length + 24;
    lines.forEach((words, i) => line(words, "strong", 14 - head + 18 * i));
    line(`sweep ${name}`, "tick", -12);
    return head;
  };
  const drawing = (figure) => {
    const svg = figure.querySelector("svg").cloneNode(true);
    const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
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
    const head = titled(svg, figure.querySelector("figcaption .title").textContent, width);
    const rule = document.createElementNS(svg.namespaceURI, "rect"); // the paper, also in other programs
    for (const [key, value] of Object.entries({ x: -MARGIN, y: -head - MARGIN, width: width + 2 * MARGIN, height: height + head + 2 * MARGIN })) rule.setAttribute(key, value);
    rule.setAttribute("style", plain("fill:var(--paper)"));
    svg.prepend(style, rule);
    const [full, tall] = [width + 2 * MARGIN, height + head + 2 * MARGIN];
    svg.setAttribute("viewBox", `${-MARGIN} ${-head - MARGIN} ${full} ${tall}`);
    svg.setAttribute("width", full);
    svg.setAttribute("height", tall);
    return { text: new XMLSerializer().serializeToString(svg), width: full, height: tall, paper: plain("var(--paper)") };
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
