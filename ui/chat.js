// Runs when the document pane is on the page. Buttons anywhere on it that carry data become events of the pane.
const MARGIN = 24; // pixels

const scrollToMark = () => {
  const pane = element.querySelector(".document");
  if (!pane) return;
  const mark = pane.querySelector("mark");
  // Within the pane only: the page itself stays where the reader is.
  pane.scrollTop = mark ? mark.offsetTop - pane.clientHeight / 3 : 0;
};

// The last turn is shown, from its question on where it is longer than the conversation is high.
let messages = 0;
const scrollToLastTurn = () => {
  const before = messages;
  const log = document.querySelector("#conversation [role=log]");
  messages = log ? log.querySelectorAll(".question, .answer, .abstention, .reply, .error").length : 0;
  if (messages <= before) return;
  const last = [...log.querySelectorAll(".question")].pop();
  if (last) log.scrollTop += last.getBoundingClientRect().top - log.getBoundingClientRect().top - MARGIN;
};
// Gradio may make the conversation anew when the page is loaded, so it is the page that is observed.
new MutationObserver(scrollToLastTurn).observe(document.body, { childList: true, subtree: true });

// The selected text in the document, by its characters (code points, as Python counts them).
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

const copy = async (text) => {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Browsers give no clipboard to pages that come unencrypted from another machine.
  const area = document.body.appendChild(document.createElement("textarea"));
  area.value = text;
  area.select();
  document.execCommand("copy");
  area.remove();
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest && event.target.closest("button");
  if (!button) return;
  const data = button.dataset;
  if (data.copy !== undefined) {
    await copy(data.copy);
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1500);
  } else if (data.start !== undefined) {
    trigger("place", { document: data.document, start: Number(data.start), end: Number(data.end) });
    scrollToMark(); // where it is shown already, nothing will change
    if (window.matchMedia("(max-width: 768px)").matches) element.scrollIntoView({ block: "nearest" });
  } else if (data.astyped !== undefined) {
    trigger("astyped", { question: data.astyped });
  } else if (data.remove !== undefined) {
    trigger("remove", { document: data.remove });
  } else if (data.verdict !== undefined) {
    trigger("verdict", { turn: Number(data.turn), verdict: data.verdict, place: selected() });
  }
});

// Gradio gives up on all files of a selection when one is too large: those are taken out and told before.
const fits = (file) =>
  file.size <= props.limit && props.suffixes.some((suffix) => file.name.toLowerCase().endsWith(suffix));

const withoutRefused = (event, files, input) => {
  const refused = [...files].filter((file) => !fits(file));
  if (!refused.length) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  trigger("refused", { names: refused.map((file) => file.name) });
  const rest = new DataTransfer();
  [...files].filter(fits).forEach((file) => rest.items.add(file));
  input.files = rest.files;
  if (rest.files.length) input.dispatchEvent(new Event("change", { bubbles: true }));
};

document.addEventListener(
  "change",
  (event) => {
    if (event.target.type === "file") withoutRefused(event, event.target.files, event.target);
  },
  true,
);

document.addEventListener(
  "drop",
  (event) => {
    const input = document.querySelector("input[type=file]");
    if (input && event.dataTransfer.files.length) withoutRefused(event, event.dataTransfer.files, input);
  },
  true,
);

watch("value", scrollToMark);
