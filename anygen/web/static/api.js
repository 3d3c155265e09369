// What the page says to the server: one request of /v1/responses for each answer.

const KEY = "anygenKey"; // in localStorage, so that other tabs and a reload have it
const CALL = { image: "image_generation_call", audio: "anygen:audio", video: "anygen:video" };
const MODALITY = Object.fromEntries(Object.entries(CALL).map(([name, call]) => [call, name]));
const PREVIEWS = [{ type: "image_generation", partial_images: 2 }];
const MIME = {
  png: "image/png", jpeg: "image/jpeg", webp: "image/webp",
  wav: "audio/wav", flac: "audio/flac", opus: "audio/ogg", mp4: "video/mp4",
};

export class ApiError extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

/** Exchanges the token in the address, which is valid once, for the key of this browser. */
export async function signIn() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  history.replaceState(null, "", location.pathname);
  const headers = { Authorization: `Bearer ${token}` };
  const reply = await fetch("web/session", { method: "POST", headers });
  if (reply.ok) localStorage.setItem(KEY, (await reply.json()).key);
}

async function send(path, options = {}) {
  const headers = { Authorization: `Bearer ${localStorage.getItem(KEY) ?? ""}`, ...options.headers };
  const reply = await fetch(path, { ...options, headers });
  if (reply.ok) return reply;
  const body = await reply.json().catch(() => ({}));
  throw new ApiError(body.error?.message ?? reply.statusText, body.error?.code);
}

/** What the model reads and makes. */
export async function readModel() {
  const { data } = await (await send("v1/models")).json();
  return data[0].anygen;
}

async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return (await send(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

/** The match of the arena that is to be voted on, or what the page waits for. */
export async function readArena() {
  return (await send("arena/state")).json();
}

/** Who gave the answers that the vote is on. */
export function castVote(number, vote) {
  return post("arena/votes", { number, vote });
}

/** The events of an answer, until it ends or `signal` is aborted. */
export async function* answer(body, signal) {
  const reply = await send("v1/responses", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...body, tools: PREVIEWS, stream: true, store: true }),
    signal,
  });
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let pieces = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    pieces.push(value);
    if (!value.includes("\n")) continue; // a medium comes in many pieces
    const frames = pieces.join("").split("\n\n");
    pieces = [frames.pop()];
    for (const frame of frames) {
      const line = frame.split("\n").find((each) => each.startsWith("data: "));
      if (line && line !== "data: [DONE]") yield JSON.parse(line.slice(6));
    }
  }
}

/** Turns as the items of a request; what failed is left out. */
export async function itemsOf(turns) {
  const items = [];
  for (const turn of turns)
    if (turn.role === "user") {
      const content = await Promise.all(turn.parts.map(contentOf));
      items.push({ role: "user", content });
    } else
      for (const part of turn.parts)
        if (part.type === "text")
          items.push({ role: "assistant", content: [{ type: "output_text", text: part.text }] });
        else if (part.blob) {
          const data = (await dataUrl(part.blob)).split(",")[1];
          items.push({ type: CALL[part.type], [part.type === "image" ? "result" : "data"]: data });
        }
  return items;
}

async function contentOf(part) {
  if (part.type === "text") return { type: "input_text", text: part.text };
  const name = `${part.type}_url`;
  return { type: name, [name]: { url: await dataUrl(part.blob) } };
}

/** An item of an answer as a part of a turn. */
export function partOf(item) {
  if (item.type === "message") return { type: "text", text: item.content[0]?.text ?? "" };
  const part = { type: MODALITY[item.type], status: item.status, seed: item.seed };
  if (item.status === "failed") return { ...part, why: item.error.message };
  const data = item.result ?? item.data;
  if (data) part.blob = decoded(data, MIME[item.output_format ?? item.format]);
  return part;
}

export function decoded(base64, type) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new Blob([bytes], { type });
}

export function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
