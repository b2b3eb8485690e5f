// csss._("Line %(number)s added.", { number: 2 }): the text in the page's language (csss/web/script_texts.py), placeholders filled in.
(() => {
  const words = JSON.parse(document.querySelector("meta[name=csss-words]")?.content || "{}");
  const fill = (text, values) => text.replace(/%\((\w+)\)s/g, (whole, name) => values[name] ?? whole);
  window.csss = { _: (text, values = {}) => fill(words[text] || text, values) };
})();
