// Turns as elements. Text of models, users and files only ever becomes text nodes.

import { word } from "./words.js";

const urls = new WeakMap();

export function urlOf(blob) {
  if (!urls.has(blob)) urls.set(blob, URL.createObjectURL(blob));
  return urls.get(blob);
}

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function button(name, onclick) {
  return make("button", { type: "button", textContent: word(name), onclick });
}

/** The element that shows or plays a medium. */
function player(part) {
  const label = `${word(part.type)} ${part.name ?? ""}`.trim();
  const src = urlOf(part.blob);
  if (part.type === "image") return make("img", { src, alt: label });
  const element = make(part.type, { src, controls: true });
  if (part.type === "video") Object.assign(element, { loop: true, playsInline: true });
  element.setAttribute("aria-label", label);
  return element;
}

function saveLink(part, number) {
  const suffix = part.blob.type.split(";")[0].split("/")[1].replace("jpeg", "jpg");
  const download = part.name ?? `anygen-${number}.${suffix}`;
  return make("a", { href: urlOf(part.blob), download, textContent: word("save") });
}

/** A medium, its number in the conversation, and what can be done with it. */
export function medium(part, number, onchange) {
  const facts = [`${number}`, part.name, part.seed != null && `${word("seed")} ${part.seed}`];
  const caption = make("figcaption", {}, facts.filter(Boolean).join(" · "));
  if (onchange) {
    const change = button("change", () => onchange(number));
    change.setAttribute("aria-label", `${word("change")} ${number}`);
    caption.append(change);
  }
  caption.append(saveLink(part, number));
  return make("figure", {}, player(part), caption);
}

/** One part of a turn. */
export function partElement(part, number, onchange) {
  if (part.type === "text") return make("div", { className: "text", textContent: part.text });
  if (part.status === "failed") {
    const text = word("failed", { kind: word(part.type), why: part.why });
    return make("p", { className: "wrong", textContent: text });
  }
  if (part.blob) return medium(part, number, onchange);
  return progressElement(part);
}

/** How far a medium is: its steps, the time that the rest takes at the pace so far, and how it looks. */
function progressElement(part) {
  const { step = 0, steps = 1, pace } = part;
  const kind = word(part.type);
  const bar = make("progress", { max: steps, value: step });
  bar.setAttribute("aria-label", kind);
  const texts = [part.steps ? word("working", { kind, step, steps }) : kind];
  if (pace && step < steps) {
    const seconds = Math.max(1, Math.round((pace * (steps - step)) / 1000));
    texts.push(word("left", { seconds }));
  }
  const progress = make("p", { className: "tools" }, bar, texts.join(" · "));
  if (!part.preview) return progress;
  return make("figure", {}, make("img", { src: urlOf(part.preview), alt: kind }), progress);
}

/** Notes a step of a medium, and the milliseconds that one takes. */
export function noteStep(part, step, steps) {
  const now = performance.now();
  part.since ??= { now, step };
  Object.assign(part, { step, steps });
  if (step > part.since.step) part.pace = (now - part.since.now) / (step - part.since.step);
}

export const isMedium = (part) => part.type !== "text" && Boolean(part.blob);

const PAGE_STYLE = `
body{max-width:760px;margin:2em auto;padding:0 1em;font:16px/1.5 system-ui}
.user{background:#8882;border-radius:12px;padding:.5em 1em}
p{white-space:pre-wrap}img,video{width:256px;max-width:100%}:root{color-scheme:light dark}`;

/** A page of its own with the whole conversation, to be kept as a file. */
export async function exportPage(conversation, dataUrl) {
  const page = document.implementation.createHTMLDocument(conversation.title);
  for (const turn of conversation.turns) {
    const section = page.createElement("section");
    section.className = turn.role;
    for (const part of turn.parts)
      if (part.type === "text" || part.blob) section.append(await exported(page, part, dataUrl));
    page.body.append(section);
  }
  const head = `<!doctype html><meta charset="utf-8"><style>${PAGE_STYLE}</style>`;
  return new Blob([head, page.documentElement.outerHTML], { type: "text/html" });
}

async function exported(page, part, dataUrl) {
  const element = page.createElement({ text: "p", image: "img" }[part.type] ?? part.type);
  if (part.type === "text") element.textContent = part.text;
  else element.src = await dataUrl(part.blob);
  if (part.type === "image") element.alt = part.name ?? part.type;
  else if (part.type !== "text") element.controls = true;
  return element;
}
