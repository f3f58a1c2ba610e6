// Draws the Mermaid drawings of a page, and draws them again when the reader changes between light and dark.
(() => {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => {
    const chosen = document.body.dataset.theme;
    return chosen === "dark" || (chosen !== "light" && system.matches);
  };
  let drawn;
  const draw = async () => {
    const theme = isDark() ? "dark" : "neutral";
    if (theme === drawn) return;
    drawn = theme;
    const drawings = [...document.querySelectorAll("pre.mermaid")];
    for (const drawing of drawings) {
      drawing.dataset.text ??= drawing.textContent;
      drawing.textContent = drawing.dataset.text;
      delete drawing.dataset.processed;
    }
    mermaid.initialize({ startOnLoad: false, theme });
    await mermaid.run({ nodes: drawings });
    for (const svg of document.querySelectorAll("pre.mermaid svg")) {
      // A drawing shrinks to its column, but on a telephone not until nobody can read it: there it scrolls.
      svg.style.minWidth = `${Math.min(parseFloat(svg.style.maxWidth), 640)}px`;
    }
  };
  document.addEventListener("DOMContentLoaded", () => {
    draw();
    system.addEventListener("change", draw);
    new MutationObserver(draw).observe(document.body, { attributeFilter: ["data-theme"] });
  });
})();
