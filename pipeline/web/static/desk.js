// Comfort only: the desk does all of this without a script, by links and forms.
"use strict";

(() => {
  const keys = document.getElementById("keys");
  const showKeys = document.getElementById("show-keys");
  const lines = [...document.querySelectorAll(".line")];
  const marks = { c: "contacted", r: "resolved", d: "dismissed" };
  let sent = false;

  const here = () => lines.findIndex((line) => line.contains(document.activeElement));

  const goTo = (index) => {
    const line = lines[Math.max(0, Math.min(index, lines.length - 1))];
    if (!line) return;
    line.querySelector("h2 a").focus({ preventScroll: true });
    line.scrollIntoView({ block: "nearest" });
  };

  const mark = (key) => {
    if (sent) return;
    const button = document.querySelector(`button[data-key="${key}"]`);
    const line = lines[here()];
    if (button) {
      sent = true;
      button.click();
    } else if (line && line.dataset.moves.split(" ").includes(marks[key])) {
      const form = document.getElementById("quick-mark");
      form.action = `/cases/${line.dataset.case}/mark`;
      form.elements.version.value = line.dataset.version;
      form.elements.status.value = marks[key];
      sent = true;
      form.submit();
    }
  };

  const actions = {
    j: () => goTo(here() + 1),
    k: () => goTo(here() < 0 ? 0 : here() - 1),
    o: () => lines[here()]?.querySelector("h2 a").click(),
    u: () => document.querySelector("[data-up]")?.click(),
    c: () => mark("c"),
    r: () => mark("r"),
    d: () => mark("d"),
    "?": () => keys.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (typing || keys.open || event.repeat && event.key in marks) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const action = Object.hasOwn(actions, event.key) ? actions[event.key] : null;
    if (!action) return;
    event.preventDefault();
    action();
  });

  // A page from the browser's memory may be marked again.
  window.addEventListener("pageshow", () => { sent = false; });
  showKeys.hidden = false;
  showKeys.addEventListener("click", () => keys.showModal());
})();
