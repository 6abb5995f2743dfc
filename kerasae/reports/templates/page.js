"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const root = document.documentElement;

  // Theme: the system's until the reader chooses; a page opened as a file may have no storage.
  const stored = () => { try { return localStorage.getItem("kerasae-theme"); } catch { return null; } };
  const keep = (theme) => { try { localStorage.setItem("kerasae-theme", theme); } catch { /* for this visit only */ } };
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const button = byId("theme");
  const name = () => { button.textContent = isDark() ? "Light theme" : "Dark theme"; };
  if (["light", "dark"].includes(stored())) root.dataset.theme = stored();
  button.hidden = false;
  name();
  system.addEventListener("change", name);
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    keep(root.dataset.theme);
    name();
  });

  // Sorting: by number where every filled cell is one, in the first order again on the third press.
  const compare = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === ""); // what is missing stays last
    const [x, y] = [Number(a), Number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    const first = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, index) => {
      const press = document.createElement("button");
      press.type = "button";
      press.append(...head.childNodes);
      head.append(press);
      press.addEventListener("click", () => {
        const next = { ascending: "descending", descending: "" }[head.getAttribute("aria-sort")] ?? "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        const rows = [...first];
        if (next) {
          head.setAttribute("aria-sort", next);
          const value = (row) => row.cells[index].dataset.v;
          const way = next === "ascending" ? 1 : -1;
          rows.sort((a, b) => (value(a) === "" || value(b) === "" ? 1 : way) * compare(value(a), value(b)));
        }
        body.append(...rows);
      });
    });
  }

  // Copying: to the clipboard, or into a box to copy from where that is not allowed.
  const texts = JSON.parse(byId("exports").textContent);
  const box = byId("copy-box");
  const say = (words) => {
    byId("said").textContent = words;
    setTimeout(() => { byId("said").textContent = ""; }, 2500);
  };
  const show = (text) => {
    byId("copy-text").value = text;
    box.showModal();
    byId("copy-text").select();
  };
  byId("copy-close").addEventListener("click", () => box.close());
  for (const tools of document.querySelectorAll(".tools")) tools.hidden = false;
  for (const copy of document.querySelectorAll("button.copy")) {
    copy.addEventListener("click", async () => {
      const text = texts[copy.dataset.table][copy.dataset.format];
      try {
        await navigator.clipboard.writeText(text);
        say(`Copied as ${copy.dataset.format}`);
      } catch {
        show(text);
      }
    });
  }

  // Paper cannot be opened, so everything is before printing, and closed again after.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((one) => { one.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((one) => { one.open = false; }));
})();
