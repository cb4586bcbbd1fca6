// Comfort only: the desk does all of this without a script, by links and forms.
"use strict";

(() => {
  const keys = document.getElementById("keys");
  const showKeys = document.getElementById("show-keys");
  const lines = [...document.querySelectorAll(".line")];
  const find = (selector) => document.querySelector(selector);
  let sent = false;

  const here = () => lines.findIndex((line) => line.contains(document.activeElement));

  const goTo = (index) => {
    const line = lines[Math.max(0, Math.min(index, lines.length - 1))];
    if (!line) return;
    (line.querySelector("h2 a") ?? line.querySelector("button") ?? line.querySelector("h2")).focus({ preventScroll: true });
    line.scrollIntoView({ block: "nearest" });
  };

  // What is written here is opened first and filled in then; everything else is pressed once.
  const open = (id) => {
    const details = document.getElementById(id);
    if (details?.tagName !== "DETAILS") return false;
    details.open = true;
    details.scrollIntoView({ block: "center" });
    (details.querySelector("input:checked") ?? details.querySelector("input:not([type=hidden]), select, textarea"))?.focus();
    return true;
  };

  const press = (key) => {
    const inLine = lines[here()]?.querySelector(`[data-line-key="${key}"]`);
    const target = inLine ?? find(`[data-key="${key}"]`);
    if (!target || sent) return;
    if (target.dataset.open) {
      open(target.dataset.open);
    } else if (target.tagName === "SUMMARY") {
      open(target.parentElement.id);
    } else {
      sent = true;
      target.click();
    }
  };

  const close = (key) => {
    if (!open("close")) return;
    const choice = find(`[data-pick="${key}"]`);
    choice.checked = true;
    find("#close select").focus();
  };

  const actions = {
    j: () => goTo(here() + 1),
    k: () => goTo(here() < 0 ? 0 : here() - 1),
    o: () => lines[here()]?.querySelector("h2 a")?.click(),
    u: () => find("[data-up]")?.click(),
    r: () => close("r"), l: () => close("l"), d: () => close("d"),
    "/": () => { const field = find('[data-focus="/"]'); if (field) { field.closest("details").open = true; field.focus(); } },
    m: () => find('[data-focus="m"]')?.focus(),
    "?": () => keys.showModal(),
  };
  for (const key of ["n", "t", "c", "a", "h", "g", "b"]) actions[key] = () => press(key);

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=radio]), textarea, select, [contenteditable]");
    if (event.key === "Escape" && typing) typing.blur();
    // Enter sends from a cause as from any field, unless its list hangs open: there it chooses.
    if (event.key === "Enter" && event.target.matches("#close select") && CSS.supports("selector(:open)") && !event.target.matches(":open")) {
      event.preventDefault();
      event.target.form.requestSubmit();
    }
    if (typing || keys.open || event.repeat && !"jk".includes(event.key)) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const action = Object.hasOwn(actions, event.key) ? actions[event.key] : null;
    if (!action) return;
    event.preventDefault();
    action();
  });

  for (const link of document.querySelectorAll("a[data-open]")) {
    link.addEventListener("click", (event) => { if (open(link.dataset.open)) event.preventDefault(); });
  }
  if (location.hash) open(location.hash.slice(1));

  // Moments in the zone of who looks at them; without a script they stand there in UTC, and say so.
  const zoned = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  for (const time of document.querySelectorAll("time[data-zone]")) {
    const said = zoned.format(new Date(time.dateTime));
    if (time.dataset.zone === "text") time.textContent = said; else time.title = said;
  }

  // A time is typed as it is shown, in the zone of who types it, and sent as the instant that it means.
  for (const field of document.querySelectorAll("input[type=datetime-local]")) {
    const kept = new Date(field.dataset.at);
    if (kept.getTime()) field.value = new Date(kept - kept.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
    field.form.addEventListener("formdata", (event) => {
      if (field.value) event.formData.set(field.name, new Date(field.value).toISOString());
    });
  }

  // A note that is half written stays in this tab until it has arrived, whatever is pressed meanwhile.
  const who = find(".top nav bdi")?.textContent;
  for (const sent of Object.keys(sessionStorage).filter((key) => key.startsWith("sent "))) {
    if (document.body.classList.contains("error-page")) sessionStorage.setItem(sent.slice(5), sessionStorage.getItem(sent));
    sessionStorage.removeItem(sent);
  }
  for (const note of document.querySelectorAll("textarea[name]")) {
    const place = `${who} ${note.form.getAttribute("action")}`;
    note.value ||= sessionStorage.getItem(place) ?? "";
    note.addEventListener("input", () => sessionStorage.setItem(place, note.value));
    note.form.addEventListener("submit", () => {
      sessionStorage.removeItem(place);
      if (note.value) sessionStorage.setItem(`sent ${place}`, note.value);
    });
  }
  find("form[action='/sign-out']")?.addEventListener("submit", () => sessionStorage.clear());

  // How many wait, every quarter of a minute, as long as somebody looks.
  const counts = [...document.querySelectorAll("[data-count]")];
  const news = document.getElementById("news");
  const count = async () => {
    if (document.hidden) return;
    const answer = await fetch("/counts", { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer?.ok) return;
    const now = await answer.json();
    for (const place of counts) {
      const fresh = String(now[place.dataset.count]);
      if (place.dataset.count === "free" && Number(fresh) > Number(place.textContent)) news.textContent = news.dataset.more;
      place.textContent = fresh;
    }
  };
  if (counts.length) setInterval(count, 15000);

  // A page from the browser's memory may be used again; a form is sent once.
  document.addEventListener("submit", (event) => {
    if (event.target.dataset.sent) event.preventDefault();
    else if (event.target.method === "post") event.target.dataset.sent = "1";
  });
  window.addEventListener("pageshow", () => {
    sent = false;
    for (const form of document.forms) delete form.dataset.sent;
  });
  showKeys.hidden = false;
  showKeys.addEventListener("click", () => keys.showModal());
})();
