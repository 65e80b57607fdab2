// What the pages do in a browser beside what NiceGUI does: copy an id, change the theme,
// and show which stretches of a prompt belong to a source.
(() => {
  const root = document.documentElement;
  const kept = () => { try { return localStorage.getItem("ragtrace-theme"); } catch { return null; } };
  const keep = (theme) => { try { localStorage.setItem("ragtrace-theme", theme); } catch { /* for this page only */ } };
  const dark = () => root.dataset.theme === "dark" ||
    (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  const theme = kept();
  if (theme === "dark" || theme === "light") root.dataset.theme = theme;

  const copy = async (button) => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.classList.add("done");
      setTimeout(() => button.classList.remove("done"), 1200);
    } catch { /* no clipboard without https or a gesture */ }
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.classList.contains("copy")) copy(button);
    if (button?.classList.contains("theme")) {
      root.dataset.theme = dark() ? "light" : "dark";
      keep(root.dataset.theme);
    }
  });

  const lit = (event, on) => {
    const item = event.target.closest?.("[data-mark]");
    const prompt = item?.closest(".prompt");
    if (!prompt) return;
    for (const one of prompt.querySelectorAll(".stretch, .sources li")) {
      one.classList.toggle("lit", on && one.dataset.mark === item.dataset.mark);
    }
    prompt.classList.toggle("lighting", on);
  };
  document.addEventListener("mouseover", (event) => lit(event, true));
  document.addEventListener("mouseout", (event) => lit(event, false));
})();
