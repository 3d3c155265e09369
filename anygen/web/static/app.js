// The page: conversations, the composer, and the answer that is coming.

import * as api from "./api.js";
import { attach, attached, clearAttached, listen } from "./attachments.js";
import * as render from "./render.js";
import * as store from "./store.js";
import { switchLanguage, translate, word } from "./words.js";

const { button, isMedium, make } = render;
const $ = (id) => document.getElementById(id);
const ENDS = ["length", "deadline", "withheld"]; // reasons for the end of an answer that are shown

let conversations = [];
let current = fresh();
let running = null; // the AbortController of the answer that is coming
let edited = null; // the medium that the next message changes

function fresh() {
  return { id: crypto.randomUUID(), title: "", changed: Date.now(), turns: [] };
}

// --- what is shown

function say(text, wrong = false) {
  $("status").textContent = text;
  $("status").classList.toggle("wrong", wrong);
}

function show() {
  let number = 0;
  const articles = current.turns.map((turn, index) => {
    const parts = turn.parts.map((part) =>
      render.partElement(part, isMedium(part) ? ++number : 0, running ? null : edit),
    );
    const name = word(turn.role === "user" ? "you" : "anygen");
    const heading = make("h2", { textContent: name });
    const article = make("article", { className: turn.role }, heading, ...parts);
    if (turn.role === "assistant" && !running) article.append(tools(turn, index));
    return article;
  });
  $("log").replaceChildren(...articles);
  $("log").scrollTop = $("log").scrollHeight;
  $("title").textContent = current.title || "anygen";
  $("send").hidden = Boolean(running);
  $("stop").hidden = !running;
}

/** Renews the element of one part of the last turn, so that the others play on. */
function showPart(turn, index) {
  if (turn !== current.turns.at(-1)) return; // another conversation has been chosen
  const part = turn.parts[index];
  const number = media().indexOf(part) + 1;
  const element = render.partElement(part, number, null);
  const log = $("log");
  const follows = log.scrollHeight - log.scrollTop - log.clientHeight < 100;
  const old = log.lastElementChild.children[index + 1]; // after the heading
  if (old) old.replaceWith(element);
  else log.lastElementChild.append(element);
  if (follows) log.scrollTop = log.scrollHeight;
}

const media = () => current.turns.flatMap((turn) => turn.parts).filter(isMedium);

function tools(turn, index) {
  const seed = turn.seed == null ? "" : `${word("seed")} ${turn.seed}`;
  const row = make("p", { className: "tools" }, seed);
  if (index === current.turns.length - 1) row.append(button("again", regenerate));
  return row;
}

function showList() {
  const entries = conversations.map((each) => {
    const title = each.title || word("newConversation");
    const open = make("button", { className: "open", textContent: title });
    open.onclick = () => choose(each);
    open.setAttribute("aria-current", String(each.id === current.id));
    const drop = make("button", { textContent: "✕", onclick: () => forget(each) });
    drop.setAttribute("aria-label", word("delete", { name: title }));
    return make("li", {}, open, drop);
  });
  $("conversations").replaceChildren(...entries);
}

function showAll() {
  translate();
  show();
  showList();
}

// --- conversations

async function keep(conversation) {
  if (conversation.forgotten) return;
  conversation.changed = Date.now();
  try {
    await store.save(conversation);
  } catch (error) {
    say(word("noRoom", { why: error.message }), true);
  }
  conversations = [conversation, ...conversations.filter((each) => each.id !== conversation.id)];
  showList();
}

function choose(conversation) {
  running?.abort();
  current = conversation;
  stopEditing();
  say("");
  $("side").classList.remove("shown");
  show();
  showList();
  $("text").focus();
}

async function forget(conversation) {
  conversation.forgotten = true; // also where an answer of it is still coming
  conversations = conversations.filter((each) => each.id !== conversation.id);
  await store.remove(conversation.id);
  if (conversation.id === current.id) choose(fresh());
  else showList();
}

// --- asking

/** What the composer sets for the next answer, as a request has it. */
function options() {
  const number = (id) => ($(id).value === "" ? undefined : Number($(id).value));
  const boxes = [...$("modalities").querySelectorAll("input")];
  const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
  const anygen = { seed: number("seed") };
  if (chosen.length < boxes.length) anygen.modalities = chosen;
  const steps = number("steps");
  const made = chosen.filter((name) => name !== "text");
  if (steps) anygen.media = Object.fromEntries(made.map((name) => [name, { steps }]));
  return { temperature: number("temperature"), max_output_tokens: number("tokens"), anygen };
}

async function ask() {
  const text = $("text").value.trim();
  if (running || !(text || attached.length)) return;
  const turn = { role: "user", parts: [...attached], options: options() };
  if (text) turn.parts.push({ type: "text", text });
  if (edited) {
    const { number, type } = edited;
    turn.options.anygen.edit = { ref: number, strength: Number($("strength").value) };
    turn.options.anygen.begin = type;
  }
  current.title ||= (text || attached[0].name || word(attached[0].type)).slice(0, 60);
  current.turns.push(turn);
  $("text").value = "";
  clearAttached();
  stopEditing();
  await reply();
}

/** Answers the last question again, with another seed. */
async function regenerate() {
  current.turns.pop();
  delete current.turns.at(-1).options.anygen.seed;
  await reply();
}

async function reply() {
  const conversation = current;
  const turn = { role: "assistant", parts: [] };
  const asked = [...conversation.turns];
  conversation.turns.push(turn);
  running = new AbortController();
  say(word("waiting"));
  show();
  try {
    await answerTo(asked, turn, running.signal);
    say(ENDS.includes(turn.finish) ? word(turn.finish) : turn.forgotten ? word("forgotten") : "");
  } catch (error) {
    explain(error);
  }
  running = null;
  const whole = (part) => part && (part.type === "text" || part.blob || part.status === "failed");
  turn.parts = turn.parts.filter(whole);
  if (!turn.parts.length) takeBack(conversation);
  await keep(conversation);
  show();
}

/** Follows the answer to turns; those up to a response that the server has kept are not sent again. */
async function answerTo(turns, turn, signal) {
  const last = turns.findLastIndex((each) => each.responseId);
  const settings = turns.at(-1).options;
  if (last >= 0)
    try {
      const input = await api.itemsOf(turns.slice(last + 1));
      const previous_response_id = turns[last].responseId;
      return await follow(turn, { ...settings, previous_response_id, input }, signal);
    } catch (error) {
      if (error.code !== "previous_response_not_found") throw error;
    }
  await follow(turn, { ...settings, input: await api.itemsOf(turns) }, signal);
}

/** Nothing was answered: the question is in the composer again. */
function takeBack(conversation) {
  conversation.turns.pop();
  const question = conversation.turns.pop();
  if (conversation !== current) return;
  for (const part of question.parts)
    if (part.type === "text") $("text").value ||= part.text;
    else attach(part);
}

async function follow(turn, body, signal) {
  for await (const event of api.answer(body, signal)) {
    const index = event.output_index;
    switch (event.type) {
      case "response.created":
        turn.seed = event.response.anygen.seed;
        continue;
      case "response.output_item.added":
        say("");
        turn.parts[index] = api.partOf(event.item);
        break;
      case "response.output_item.done":
        turn.parts[index] = api.partOf(event.item);
        break;
      case "response.output_text.delta":
        turn.parts[index].text += event.delta;
        break;
      case "anygen:media.progress":
        render.noteStep(turn.parts[index], event.step, event.steps);
        break;
      case "response.image_generation_call.partial_image":
        turn.parts[index].preview = api.decoded(event.partial_image_b64, "image/png");
        break;
      case "error":
        throw new api.ApiError(event.message, event.code);
      case "response.completed":
      case "response.incomplete":
        finish(turn, event.response);
        continue;
      default:
        continue;
    }
    showPart(turn, index);
  }
}

function finish(turn, response) {
  const { finish: reason, forgotten } = response.anygen;
  const texts = response.output.map(api.partOf);
  turn.parts.forEach((part, index) => {
    if (part.type === "text") part.text = texts[index].text; // the end of it may be withdrawn
  });
  Object.assign(turn, { finish: reason, forgotten, responseId: response.id });
}

function explain(error) {
  if (error.name === "AbortError") say(word("stopped"));
  else if (error.code === "invalid_api_key") say(word("locked"), true);
  else if (error instanceof TypeError) say(word("lost"), true);
  else say(error.message, true);
}

// --- changing a medium

function edit(number) {
  edited = { number, type: media()[number - 1].type };
  $("editingText").textContent = word("editing", { n: number });
  $("editing").hidden = false;
  $("text").focus();
}

function stopEditing() {
  edited = null;
  $("editing").hidden = true;
}

// --- the gallery, and the export

function showGallery() {
  const figures = [];
  for (const conversation of conversations)
    for (const turn of conversation.turns)
      for (const part of turn.role === "assistant" ? turn.parts.filter(isMedium) : []) {
        const figure = render.medium(part, figures.length + 1, null);
        const open = () => {
          $("gallery").close();
          choose(conversation);
        };
        figure.querySelector("figcaption").append(button("open", open));
        figures.push(make("li", {}, figure));
      }
  $("pictures").replaceChildren(...(figures.length ? figures : [make("li", {}, word("empty"))]));
  $("gallery").showModal();
}

async function exportConversation() {
  const page = await render.exportPage(current, api.dataUrl);
  const name = (current.title || "anygen").replace(/[^\p{L}\p{N} _-]/gu, "_");
  make("a", { href: render.urlOf(page), download: `${name}.html` }).click();
}

// --- the start

function connect() {
  const clicks = {
    new: () => choose(fresh()),
    openSide: () => $("side").classList.add("shown"),
    closeSide: () => $("side").classList.remove("shown"),
    openGallery: showGallery,
    closeGallery: () => $("gallery").close(),
    export: exportConversation,
    stop: () => running?.abort(),
    stopEditing,
    language: () => {
      switchLanguage();
      showAll();
    },
    theme: () => setTheme(isDark() ? "light" : "dark"),
  };
  for (const [id, use] of Object.entries(clicks)) $(id).onclick = use;
  $("composer").onsubmit = (event) => {
    event.preventDefault();
    ask();
  };
  $("text").onkeydown = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    ask();
  };
  document.onkeydown = (event) => {
    if (event.key !== "Escape" || $("gallery").open) return;
    running?.abort();
    stopEditing();
  };
  listen(say);
}

function isDark() {
  const chosen = document.documentElement.className;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function setTheme(name) {
  localStorage.theme = name;
  document.documentElement.className = name;
}

function showModalities(model) {
  const labels = model.modalities_out.map((name) => {
    const text = make("span");
    text.dataset.word = name;
    const box = make("input", { type: "checkbox", value: name, checked: true });
    return make("label", {}, box, text);
  });
  $("modalities").append(...labels);
  const read = model.modalities_in.filter((name) => name !== "text");
  $("file").accept = read.map((name) => `${name}/*`).join();
}

async function start() {
  document.documentElement.className = localStorage.theme ?? "";
  connect();
  translate();
  conversations = await store.readAll().catch(() => []);
  current = conversations[0] ?? current;
  try {
    await api.signIn();
    showModalities(await api.readModel());
  } catch (error) {
    explain(error);
  }
  showAll();
  $("text").focus();
}

start();
