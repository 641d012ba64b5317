"use strict";
const tip = document.getElementById("tip");
// The words of data-tip beside the pointer, and the thumbnail of data-thumb's style.
function show(it, x, y) {
  tip.replaceChildren();
  if (it.dataset.thumb) {
    const thumb = document.createElement("span");
    thumb.className = it.dataset.kind;
    thumb.style.cssText = it.dataset.thumb;
    tip.append(thumb);
  }
  const words = document.createElement("span");
  words.textContent = it.dataset.tip;
  tip.append(words);
  tip.style.display = "flex";
  const box = tip.getBoundingClientRect();
  const left = x + 14 + box.width > innerWidth ? x - 14 - box.width : x + 14;
  const top = y + 14 + box.height > innerHeight ? y - 14 - box.height : y + 14;
  tip.style.left = Math.max(4, Math.min(left, innerWidth - box.width - 4)) + "px";
  tip.style.top = Math.max(4, top) + "px";
}
function pointed(event) {
  const it = event.target.closest && event.target.closest("[data-tip]");
  if (it) show(it, event.clientX, event.clientY);
  else tip.style.display = "none";
}
document.addEventListener("pointermove", pointed);
document.addEventListener("pointerdown", pointed);
document.addEventListener("scroll", () => { tip.style.display = "none"; }, true);
document.addEventListener("focusin", event => {
  const it = event.target.closest("[data-tip]");
  if (!it) return;
  const box = it.getBoundingClientRect();
  show(it, box.right, box.bottom);
});
document.addEventListener("focusout", () => { tip.style.display = "none"; });

const map = document.querySelector(".map");
// Another projection of the embeddings.
for (const button of document.querySelectorAll("[data-projection]")) {
  button.addEventListener("click", () => {
    for (const it of document.querySelectorAll("[data-projection]"))
      it.setAttribute("aria-pressed", it === button);
    for (const point of map.querySelectorAll(".p")) {
      const [x, y] = point.dataset.at.split(";")[button.dataset.projection].split(",");
      point.style.transform = `translate(${x}px, ${y}px)`;
    }
  });
}
// The classes that are pressed stand out; none pressed: all.
for (const button of document.querySelectorAll("[data-class]")) {
  button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
    const kept = new Set([...document.querySelectorAll('[data-class][aria-pressed="true"]')].map(it => it.dataset.class));
    map.classList.toggle("chosen", kept.size > 0);
    for (const point of map.querySelectorAll(".p")) point.classList.toggle("kept", kept.has(point.dataset.of));
  });
}
