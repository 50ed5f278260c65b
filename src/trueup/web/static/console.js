// Keys and news. Everything works without this file, by links and forms.
"use strict";

document.documentElement.classList.add("script");

// keys

const isTyping = (element) =>
  element && (element.isContentEditable || ["INPUT", "SELECT", "TEXTAREA"].includes(element.tagName));
const lines = () => [...document.querySelectorAll("[data-line] .line-link")];
const help = document.getElementById("help");
let prefix = "";

function step(by) {
  const all = lines();
  if (!all.length) return;
  const at = all.indexOf(document.activeElement);
  const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

function open(details) {
  details.open = true;
  const field = details.querySelector("textarea, select, input:not([type=hidden]), button");
  (field || details.querySelector("summary")).focus();
  details.scrollIntoView({ block: "nearest" });
}

function press(key) {
  const details = document.querySelector(`details[data-key="${key}"]`);
  if (details) return open(details), true;
  const button = document.querySelector(`button[data-key="${key}"]`);
  if (button) return button.click(), true;
  return false;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && document.activeElement?.form) {
    event.preventDefault();
    document.activeElement.form.requestSubmit();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || help?.open) return;
  if (event.key === "Escape") {
    document.activeElement?.blur();
    prefix = "";
    return;
  }
  if (isTyping(event.target)) return;
  const key = event.key;
  const before = prefix;
  prefix = "";
  let done = true;
  if (before === "g") {
    const page = { q: "/", a: "/alerts/", r: "/runs" }[key];
    if (page) location.assign(page);
  } else if (before === "d") {
    done = ["p", "r", "d", "s", "h", "a"].includes(key) && press(key);
  } else if (key === "j") step(1);
  else if (key === "k") step(-1);
  else if (key === "?") help?.showModal();
  else if (key === "g") prefix = "g";
  else if (key === "d" && document.getElementById("decide")) {
    prefix = "d";
    document.getElementById("decide").scrollIntoView({ block: "nearest" });
    (document.querySelector("#decide details[open] summary") || document.querySelector("#decide summary"))?.focus();
  } else if (key === "f") document.querySelector("[data-filters] select")?.focus();
  else if (["n", "c", "e", "x", "s", "h"].includes(key)) done = press(key);
  else done = false;
  if (done) event.preventDefault();
});

document.querySelector("[data-help]")?.addEventListener("click", () => help.showModal());

// a form is sent once
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method === "dialog") return;
  if (event.target.dataset.sent) return event.preventDefault();
  event.target.dataset.sent = "1";
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
});

// a time that was typed counts, not the one that was chosen
document.querySelectorAll("input[name=until_at]").forEach((field) => {
  const choice = field.closest("form").elements.until;
  field.addEventListener("input", () => { choice.disabled = field.value !== ""; });
});

// news: parts of the page marked data-live are replaced, forms that are typed in never

const seconds = Number(document.body.dataset.poll || 0);
const news = document.getElementById("news");
let tag = "";

function replace(page) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = page.getElementById(part.id);
    if (!other || part.innerHTML === other.innerHTML) continue;
    if (part.id === "state" && part.dataset.state && part.dataset.state !== other.dataset.state) {
      const stale = document.getElementById("stale");
      if (stale) stale.hidden = false;
    }
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    const href = focused?.getAttribute("href");
    const key = focused?.dataset?.key;
    const closed = [...part.querySelectorAll("details")].map((details) => details.open);
    part.replaceWith(document.importNode(other, true));
    const now = document.getElementById(other.id);
    const again = [...now.querySelectorAll("details")];
    if (again.length === closed.length) again.forEach((details, index) => { details.open = closed[index]; });
    if (href) [...now.querySelectorAll("a")].find((link) => link.getAttribute("href") === href)?.focus();
    if (key) now.querySelector(`[data-key="${key}"]`)?.focus();
  }
}

async function ask() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href, {
      headers: { "X-Poll": "1", ...(tag && { "If-None-Match": tag }) },
      cache: "no-store",
      redirect: "manual",
    });
    if (answer.type === "opaqueredirect") return location.reload();
    if (answer.ok) {
      tag = answer.headers.get("ETag") || "";
      replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
    }
    if (news) news.textContent = answer.ok || answer.status === 304 ? "" : news.dataset.lost;
  } catch {
    if (news) news.textContent = news.dataset.lost;
  }
}

if (seconds && document.querySelector("[data-live]")) {
  setInterval(ask, seconds * 1000);
  document.addEventListener("visibilitychange", ask);
}
