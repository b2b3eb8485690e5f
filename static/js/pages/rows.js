// Adds and removes repeated lines in the page; without script the same buttons ask the server.
(() => {
  const rowsOf = (box) => [...box.querySelectorAll("[data-repeat-row]")];

  // items-0-drug and drug-0 alike: the first number between hyphens or at the end is the line's.
  const NUMBER = /-\d+(?=[-"]|$)/;
  const renumber = (row, index) => {
    for (const element of row.querySelectorAll("*")) {
      for (const name of ["id", "name", "for", "aria-describedby", "aria-controls", "hx-vals"]) {
        const value = element.getAttribute(name);
        if (value) element.setAttribute(name, value.split(" ").map((part) => part.replace(NUMBER, `-${index}`)).join(" "));
      }
    }
    for (const number of row.querySelectorAll("[data-repeat-number]")) number.textContent = index + 1;
    const remove = row.querySelector("[data-repeat-remove]");
    if (remove) remove.value = index;
  };
  const tidy = (box) => {
    const rows = rowsOf(box);
    rows.forEach(renumber);
    for (const row of rows) row.querySelector("[data-repeat-remove]").hidden = rows.length < 2;
    box.querySelector("[data-repeat-add]").hidden = rows.length >= Number(box.dataset.repeatMax || 20);
  };
  const empty = (row) => {
    for (const field of row.querySelectorAll("input, select, textarea")) {
      if (field.type === "checkbox" || field.type === "radio") field.checked = false;
      else if (field.matches("select")) field.selectedIndex = 0;
      else if (field.type !== "hidden") field.value = "";
      field.removeAttribute("aria-invalid");
    }
    for (const note of row.querySelectorAll("[data-repeat-hide]")) note.hidden = true;
    for (const error of row.querySelectorAll(".field__error")) error.remove();
    for (const field of row.querySelectorAll(".field--invalid")) field.classList.remove("field--invalid");
  };
  const tell = (box, words) => { box.querySelector("[data-repeat-status]").textContent = words; };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-repeat-add], [data-repeat-remove]");
    const box = button?.closest("[data-repeat]");
    if (!box) return;
    event.preventDefault();
    const rows = rowsOf(box);
    if (button.matches("[data-repeat-add]")) {
      const last = rows[rows.length - 1];
      const row = last.cloneNode(true);
      empty(row);
      last.after(row);
      tidy(box);
      window.htmx?.process(row);
      row.querySelector("input:not([type=hidden]), select, textarea")?.focus();
      tell(box, window.csss._("Line %(number)s added.", { number: rows.length + 1 }));
    } else if (rows.length > 1) {
      const index = rows.indexOf(button.closest("[data-repeat-row]"));
      rows[index].remove();
      tidy(box);
      const next = rowsOf(box)[Math.min(index, rows.length - 2)];
      next.querySelector("input:not([type=hidden]), select, textarea")?.focus();
      tell(box, window.csss._("Line %(number)s removed.", { number: index + 1 }));
    }
  });
})();
