// Runs when the document pane is on the page. Buttons anywhere on it that carry data become events of the pane.
const mark = () => element.querySelector("mark");

const scrollToMark = () => {
  const pane = element.querySelector(".document");
  if (!pane) return;
  const place = mark();
  // Within the pane only: the page itself stays where the reader is.
  pane.scrollTop = place ? place.offsetTop - pane.offsetTop - pane.clientHeight / 3 : 0;
};

// Offsets of the selected text in the document, in characters (code points, as Python counts them).
const selected = () => {
  const pane = element.querySelector(".document");
  const text = pane && pane.querySelector(".text");
  const selection = window.getSelection();
  if (!text || !selection.rangeCount) return null;
  const range = selection.getRangeAt(0);
  if (range.collapsed || !text.contains(range.startContainer) || !text.contains(range.endContainer)) return null;
  const before = document.createRange();
  before.setStart(text, 0);
  before.setEnd(range.startContainer, range.startOffset);
  const start = Number(pane.dataset.from) + [...before.toString()].length;
  return { document: pane.dataset.document, start, end: start + [...range.toString()].length };
};

document.addEventListener("click", (event) => {
  const button = event.target.closest && event.target.closest("button");
  if (!button) return;
  const data = button.dataset;
  if (data.copy !== undefined) {
    navigator.clipboard.writeText(data.copy);
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1500);
  } else if (data.start !== undefined) {
    trigger("place", { document: data.document, start: Number(data.start), end: Number(data.end) });
    if (window.matchMedia("(max-width: 768px)").matches) element.scrollIntoView({ block: "nearest" });
  } else if (data.remove !== undefined) {
    trigger("remove", { document: data.remove });
  } else if (data.verdict !== undefined) {
    trigger("verdict", { turn: Number(data.turn), verdict: data.verdict, place: selected() });
  }
});

watch("value", scrollToMark);
