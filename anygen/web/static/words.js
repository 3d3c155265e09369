// The page's words in English and Chinese.

const WORDS = {
  en: {
    skip: "Skip to the message", conversations: "Conversations", newConversation: "New conversation",
    conversation: "Conversation", close: "Close", gallery: "Gallery", language: "中文",
    theme: "Light or dark", export: "Export", strength: "Strength", remove: "Remove",
    attached: "Attached files", message: "Message", attach: "Attach files",
    record: "Record a sound", options: "Options", seed: "Seed", drawn: "drawn",
    temperature: "Temperature", tokens: "Most tokens", steps: "Denoising steps",
    mayHold: "The answer may hold", stop: "Stop", send: "Send", you: "You", anygen: "anygen",
    text: "text", image: "image", audio: "sound", video: "video", again: "Regenerate",
    change: "Change", save: "Save", editing: "Changes medium {n}", failed: "{kind} failed: {why}",
    stopped: "Stopped.", length: "The answer ended at its longest.",
    withheld: "The answer ended before a medium that the options rule out.",
    deadline: "The answer ended at its deadline.", working: "{kind}: step {step} of {steps}",
    left: "about {seconds} s left", waiting: "Waiting for the answer …",
    forgotten: "The oldest messages no longer fit and are not read.",
    lost: "The server does not answer. Is it running?",
    locked: "Open the address that anygen web prints in the terminal: it holds the key.",
    unknownFile: "{name} is no picture, sound or video.", delete: "Delete {name}",
    open: "Open the conversation", empty: "Nothing has been made yet.",
    noRoom: "The browser could not keep the conversation: {why}",
    noMicrophone: "The microphone cannot be used: {why}",
    arena: "Arena", prompt: "Prompt", answerOne: "Answer 1", answerTwo: "Answer 2",
    firstBetter: "1 is better", secondBetter: "2 is better", tie: "Equally good (=)",
    bothBad: "Both are bad (0)", skipMatch: "Skip (s)", stopVoting: "Stop (q)",
    answering: "The models answer …", which: "Which answer is better?", nothing: "(nothing)",
    names: "1 was {first}, 2 was {second}.", matchNumber: "Match {n}",
  },
  zh: {
    skip: "跳到输入框", conversations: "对话", newConversation: "新对话",
    conversation: "对话内容", close: "关闭", gallery: "作品", language: "English",
    theme: "浅色或深色", export: "导出", strength: "强度", remove: "移除",
    attached: "附件", message: "消息", attach: "添加文件",
    record: "录音", options: "选项", seed: "种子", drawn: "随机",
    temperature: "温度", tokens: "最多词元", steps: "去噪步数",
    mayHold: "回答可以包含", stop: "停止", send: "发送", you: "你", anygen: "anygen",
    text: "文字", image: "图片", audio: "声音", video: "视频", again: "重新生成",
    change: "修改", save: "保存", editing: "修改第 {n} 个媒体", failed: "{kind}失败：{why}",
    stopped: "已停止。", length: "回答已达到最大长度。",
    withheld: "选项不允许接下来的媒体，回答到此为止。",
    deadline: "回答已到时限。", working: "{kind}：第 {step} 步，共 {steps} 步",
    left: "约剩 {seconds} 秒", waiting: "正在等待回答……",
    forgotten: "最早的消息放不下，模型不再读取。",
    lost: "服务器没有回应。它在运行吗？",
    locked: "请打开 anygen web 在终端里显示的地址，其中含有密钥。",
    unknownFile: "{name} 不是图片、声音或视频。", delete: "删除 {name}",
    open: "打开对话", empty: "还没有作品。",
    noRoom: "浏览器无法保存对话：{why}",
    noMicrophone: "无法使用麦克风：{why}",
    arena: "竞技场", prompt: "提示", answerOne: "回答 1", answerTwo: "回答 2",
    firstBetter: "1 更好", secondBetter: "2 更好", tie: "一样好 (=)",
    bothBad: "都不好 (0)", skipMatch: "跳过 (s)", stopVoting: "结束 (q)",
    answering: "模型正在回答……", which: "哪个回答更好？", nothing: "（无）",
    names: "1 是 {first}，2 是 {second}。", matchNumber: "第 {n} 场",
  },
};

let current = localStorage.language ?? (navigator.language.startsWith("zh") ? "zh" : "en");

/** The text of a word, with `{names}` replaced. */
export function word(name, values = {}) {
  return WORDS[current][name].replace(/\{(\w+)\}/g, (_, key) => String(values[key]));
}

export function switchLanguage() {
  current = current === "en" ? "zh" : "en";
  localStorage.language = current;
}

/** Puts words into the elements that name them. */
export function translate(root = document) {
  document.documentElement.lang = current;
  for (const element of root.querySelectorAll("[data-word]"))
    element.textContent = word(element.dataset.word);
  for (const element of root.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", word(element.dataset.label));
    if (element.tagName === "BUTTON") element.title = word(element.dataset.label);
  }
  for (const element of root.querySelectorAll("[data-hint]"))
    element.placeholder = word(element.dataset.hint);
}
