// Renews the parts of the page that say where they come from. Without it they are as of the last load.
"use strict";

const EVERY = 1000;
const pause = document.getElementById("pause");

const isPaused = () => pause.getAttribute("aria-pressed") === "true";

// A part that the keyboard or a selection is in stays as it is.
function isInUse(part) {
  const selection = getSelection();
  return part.contains(document.activeElement) || (!selection.isCollapsed && selection.containsNode(part, true));
}

async function renew(part) {
  const answer = await fetch(part.dataset.live, { cache: "no-store" });
  const text = await answer.text();
  if (answer.ok && !isPaused() && !isInUse(part) && part.dataset.shown !== text) {
    part.innerHTML = text;
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
