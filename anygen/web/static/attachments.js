// Files that go with the next message: chosen, dropped, pasted or recorded.

import { make, urlOf } from "./render.js";
import { word } from "./words.js";

const $ = (id) => document.getElementById(id);
const KINDS = ["image", "audio", "video"];

export const attached = []; // parts: { type, blob, name }

export function clearAttached() {
  attached.length = 0;
  show();
}

export function attach(part) {
  attached.push(part);
  show();
}

function show() {
  $("attached").replaceChildren(
    ...attached.map((part, index) => {
      const name = part.name ?? word(part.type);
      const remove = make("button", { type: "button", textContent: "✕" });
      remove.setAttribute("aria-label", `${word("remove")} ${name}`);
      remove.onclick = () => {
        attached.splice(index, 1);
        show();
      };
      const icon = part.type === "image" ? [make("img", { src: urlOf(part.blob), alt: "" })] : [];
      return make("li", {}, ...icon, make("span", { textContent: name }), remove);
    }),
  );
}

/** Connects everything that brings files; `say` shows a sentence. */
export function listen(say) {
  function take(files) {
    for (const file of files) {
      const type = file.type.split("/")[0];
      if (KINDS.includes(type)) attach({ type, blob: file, name: file.name });
      else say(word("unknownFile", { name: file.name }), true);
    }
  }
  const over = (isOver) => (event) => {
    event.preventDefault();
    $("composer").classList.toggle("drop", isOver);
  };
  $("attach").onclick = () => $("file").click();
  $("file").onchange = () => {
    take($("file").files);
    $("file").value = "";
  };
  $("text").onpaste = (event) => {
    if (!event.clipboardData.files.length) return;
    event.preventDefault();
    take(event.clipboardData.files);
  };
  document.ondragover = over(true);
  document.ondragleave = over(false);
  document.ondrop = (event) => {
    over(false)(event);
    take(event.dataTransfer.files);
  };
  listenToMicrophone(say);
}

function listenToMicrophone(say) {
  const button = $("record");
  button.hidden = !(navigator.mediaDevices && window.MediaRecorder);
  let recorder = null;

  async function begin() {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const pieces = [];
    recorder = new MediaRecorder(stream);
    recorder.ondataavailable = (event) => pieces.push(event.data);
    recorder.onstop = () => {
      for (const track of stream.getTracks()) track.stop();
      const blob = new Blob(pieces, { type: recorder.mimeType });
      attach({ type: "audio", blob, name: word("audio") });
      recorder = null;
      button.setAttribute("aria-pressed", "false");
    };
    recorder.start();
    button.setAttribute("aria-pressed", "true");
  }

  button.onclick = async () => {
    if (recorder) recorder.stop();
    else await begin().catch((error) => say(word("noMicrophone", { why: error.message }), true));
  };
}
