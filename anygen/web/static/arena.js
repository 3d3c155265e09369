// Votes of the arena: one match after the other, whose models are named once it has a vote.

import { castVote, decoded, readArena, signIn } from "./api.js";
import { make, partElement } from "./render.js";
import { switchLanguage, translate, word } from "./words.js";

const $ = (selector) => document.querySelector(selector);
const KEYS = { 1: "first", 2: "second", "=": "tie", 0: "bad", s: "skip", q: "stop" };
const WAIT = 500; // milliseconds between looks at a session that has no match yet
let number = null; // of the match that can be voted on
let named = ""; // who gave the answers before

function say(text, wrong = false) {
  $("#status").textContent = text;
  $("#status").classList.toggle("wrong", wrong);
}

function enable(enabled) {
  for (const button of $("#votes").children) button.disabled = !enabled;
}

function fill(element, parts) {
  let media = 0;
  const shown = parts.map((part) => {
    if (part.type === "text") return partElement(part);
    return partElement({ type: part.type, blob: decoded(part.data, part.media_type) }, ++media);
  });
  element.replaceChildren(...(shown.length ? shown : [make("p", {}, word("nothing"))]));
}

/** Waits for the next match and shows it, or says that there is none. */
async function next() {
  let state;
  try {
    while ((state = await readArena()).state === "answering") {
      say(`${named} ${word("answering")}`.trim());
      await new Promise((resolve) => setTimeout(resolve, WAIT));
    }
  } catch (error) {
    return say(error.code ? error.message : word("lost"), true);
  }
  if (state.state === "over") return say([named, ...state.lines].filter(Boolean).join(" · "));
  fill($("#prompt"), state.prompt);
  const places = document.querySelectorAll("#answers > section > div");
  state.answers.forEach((parts, index) => fill(places[index], parts));
  $("#count").textContent = word("matchNumber", { n: state.number });
  $("#log").scrollTop = 0;
  say(`${named} ${word("which")}`.trim());
  number = state.number;
  enable(true);
}

async function vote(choice) {
  if (number === null) return;
  const voted = number;
  number = null;
  enable(false);
  try {
    const { models } = await castVote(voted, choice);
    named = models ? word("names", { first: models[0], second: models[1] }) : "";
  } catch (error) {
    return say(error.code ? error.message : word("lost"), true);
  }
  await next();
}

$("#votes").addEventListener("click", (event) => {
  if (event.target.value) vote(event.target.value);
});
document.addEventListener("keydown", (event) => {
  const isPlain = !(event.ctrlKey || event.metaKey || event.altKey);
  if (isPlain && KEYS[event.key] && event.target.tagName !== "INPUT") vote(KEYS[event.key]);
});
$("#language").addEventListener("click", () => {
  switchLanguage();
  translate();
});

translate();
enable(false);
await signIn();
await next();
