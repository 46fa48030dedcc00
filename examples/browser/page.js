/** Shows passages in the order of their scores, while a question is typed. */
import { sigmoid } from "./reranker.js";

const [query, status, progress, list, texts] = ["query", "status", "progress", "passages", "texts"].map(
  (id) => document.getElementById(id),
);
const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
const percent = new Intl.NumberFormat("en", { style: "percent" });

let ready = false;
let passages = [];
let newest = 0;

worker.addEventListener("message", ({ data }) => {
  if (data.error) {
    progress.hidden = true;
    say(`The model does not run here. ${data.error}`);
  } else if (data.scores) {
    if (data.id === newest) show(data);
  } else if (data.ready) {
    ready = progress.hidden = true;
    if (!query.value.trim()) say(`Ready: ${passages.length} passages.`);
  } else {
    progress.value = data.loaded;
  }
});
query.addEventListener("input", ask);
texts.addEventListener("input", () => {
  read();
  ask();
});
document.querySelector(".examples").addEventListener("click", ({ target }) => {
  if (target.matches("button")) {
    query.value = target.textContent;
    ask();
  }
});

read();
if (query.value) ask(); // kept by the browser from before

/** Makes a card for each passage. */
function read() {
  passages = texts.value.split(/\n\s*\n/).map((text) => text.trim()).filter(Boolean);
  list.replaceChildren(...passages.map(card));
  list.classList.remove("ranked");
}

function card(text, index) {
  const item = document.createElement("li");
  const [passage, score, bar] = ["p", "output", "div"].map((tag) => document.createElement(tag));
  item.dataset.index = index;
  passage.textContent = text;
  bar.className = "bar";
  item.append(passage, score, bar);
  return item;
}

function ask() {
  const question = query.value.trim();
  newest += 1;
  if (question && passages.length) {
    worker.postMessage({ id: newest, query: question, passages });
  } else {
    read();
    if (ready) say(`Ready: ${passages.length} passages.`);
  }
}

/** Moves the cards to their new places. */
function show({ scores, milliseconds }) {
  const cards = [...list.children];
  const before = new Map(cards.map((item) => [item, item.offsetTop]));
  for (const item of cards) {
    const score = scores[item.dataset.index];
    item.dataset.logit = score;
    item.style.setProperty("--probability", sigmoid(score));
    item.querySelector("output").textContent = percent.format(sigmoid(score));
  }
  const number = (item, name) => Number(item.dataset[name]);
  cards.sort(
    (left, right) =>
      number(right, "logit") - number(left, "logit") || number(left, "index") - number(right, "index"),
  );
  list.replaceChildren(...cards);
  list.classList.add("ranked");
  list.dataset.query = query.value.trim();
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) cards.forEach(slide);
  say(`${cards.length} passages read in ${Math.round(milliseconds)} ms.`);

  function slide(item) {
    const way = before.get(item) - item.offsetTop;
    if (way) item.animate({ transform: [`translateY(${way}px)`, "none"] }, { duration: 200, easing: "ease-out" });
  }
}

function say(words) {
  status.textContent = words;
}
