// Renews the parts of the page that say where they come from. Without it they are as of the last load.
"use strict";

const EVERY = 1000;
const PATIENCE = 5000;
const pause = document.getElementById("pause");

const isPaused = () => pause.getAttribute("aria-pressed") === "true";

// A part in which a link has the focus, or something is selected, stays as it is; so does a table that somebody has
// scrolled down in: its rows would move away below their eyes.
function isInUse(part) {
  if (part.querySelector(".sheet") !== null && part.getBoundingClientRect().top < 0) return true;
  const selection = getSelection();
  const isFocused = part.contains(document.activeElement) && document.activeElement.matches("a");
  return isFocused || (!selection.isCollapsed && selection.containsNode(part, true));
}

// A table that is scrolled, or has the focus for that, is so afterwards.
function replace(part, text) {
  const old = part.querySelector(".sheet");
  const [left, hadFocus] = [old?.scrollLeft ?? 0, old !== null && old === document.activeElement];
  part.innerHTML = text;
  const sheet = part.querySelector(".sheet");
  sheet?.scrollTo({ left });
  if (hadFocus) sheet?.focus({ preventScroll: true });
}

async function renew(part) {
  const answer = await fetch(part.dataset.live, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
  if (!answer.ok) throw new Error(answer.statusText);
  const text = await answer.text();
  if (!isPaused() && !isInUse(part) && part.dataset.shown !== text) {
    replace(part, text);
    part.dataset.shown = text;
  }
}

async function keepRenewing() {
  for (;;) {
    if (!isPaused() && !document.hidden) {
      const renewed = await Promise.allSettled([...document.querySelectorAll("[data-live]")].map(renew));
      document.body.classList.toggle("gone", renewed.some((one) => one.status === "rejected"));
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY));
  }
}

pause.hidden = false;
pause.addEventListener("click", () => pause.setAttribute("aria-pressed", String(!isPaused())));
keepRenewing();
