// The page: two panes, and what happens between them.

import { fitsAddress, readAddress, writeAddress } from "./address.js";
import { ChoicesMenu } from "./choices_menu.js";
import { copyFrom } from "./clipboard.js";
import { showExchange } from "./drawer.js";
import { Files } from "./files.js";
import { LanguageList } from "./language_list.js";
import { remember, remembered } from "./memory.js";
import { announce, hideNotice, hideNoticeOfText, refreshNotice, showNotice } from "./notice.js";
import { OtherWords } from "./other_words.js";
import { label, languageNameInside, numeral, pageLanguage, setPageLanguage } from "./page_language.js";
import { AUTO, Pickers } from "./pickers.js";
import { characterCount, readingOf, spliced } from "./reading.js";
import { Problem, frontendSettings, languages, translateFile } from "./service.js";
import { Session } from "./session.js";
import { SourcePane } from "./source_pane.js";
import { TargetPane } from "./target_pane.js";
import { startTheme } from "./theme.js";

const LONG_TEXT = 200; // from so many characters on it is set smaller
const READ_OUT = 1000; // a longer translation is only said to be ready

const byId = (id) => document.getElementById(id);
const settings = { charLimit: 0, frontendTimeout: 500, apiKeys: false, keyRequired: false };
let reading = null; // of exactly the text in the box, or null
let known = ""; // of a translation that is on its way
let before = "";

const languageList = new LanguageList(byId("picker"), byId("picker-search"), byId("picker-list"), byId("picker-status"));
const pickers = new Pickers(byId("source-language"), byId("target-language"), byId("swap"), languageList, () => changed(0));
const source = new SourcePane(byId("source-text"), byId("source-words"), pointAtSource);
const target = new TargetPane(byId("translation"), byId("waiting"), byId("legend"), pointAtTarget, openChoices);
const menu = new ChoicesMenu(byId("choices"));
const otherWords = new OtherWords(menu, withKey);
const session = new Session({ body, begin, delta, done, problem, idle: () => setBusy(false) });
const files = new Files(byId("open-file"), byId("file"), byId("drop"), {
  text: (text) => replaceText(text),
  upload: uploadFile,
  refuse: (name, kinds) =>
    showNotice(() => ({ text: label("error_file_kind", { name, kinds: kinds.join(" ") }) }), { error: true }),
  tooLong: (name, count) => {
    const values = () => ({ name, size: numeral(count), limit: numeral(settings.charLimit) });
    showNotice(() => ({ text: label("error_file_big", values()) }), { error: true });
  },
});

async function start() {
  try {
    const [found, list] = await Promise.all([frontendSettings(), languages()]);
    Object.assign(settings, found);
    files.configure(settings);
    byId("key-row").hidden = !(settings.apiKeys || settings.keyRequired);
    byId("api-key").required = settings.keyRequired;
    pickers.fill(list);
  } catch (error) {
    problem(error instanceof Problem ? error : new Problem("server", String(error)), false, start);
    return;
  }
  if (!pickers.languages.length) {
    showNotice(() => ({ text: label("languages_none"), action: label("try_again") }), { error: true, act: start });
    return;
  }
  hideNotice();
  openAddress();
}

/** Take languages and text from the address, and what it does not say from the last visit and the service. */
function openAddress() {
  const wanted = readAddress();
  const first = wanted.source || remembered("source") || settings.language?.source.code || AUTO;
  const fallback = [remembered("target"), pageLanguage(), settings.language?.target.code];
  const targets = pickers.targetsOf(first);
  pickers.set(first, wanted.target || (fallback.find((code) => targets.includes(code)) ?? ""));
  if (wanted.text) {
    source.text = wanted.text;
  }
  changed(0);
}

function replaceText(text) {
  source.text = text;
  changed(0);
}

/** Text or languages have changed: translate in so many milliseconds. */
function changed(milliseconds) {
  reading = null;
  pointAtNothing();
  menu.close(false);
  const count = showCount();
  if (!pickers.target) {
    return; // the service has not said yet what it can do
  }
  remember("source", pickers.source);
  remember("target", pickers.target);
  writeAddress({ source: pickers.source, target: pickers.target, text: source.text });
  hideNotice();
  if (!source.text.trim()) {
    session.stop();
    setBusy(false);
    target.clear();
    pickers.setDetected("");
    setButtons();
  } else if (settings.charLimit && count > settings.charLimit) {
    session.stop();
    setBusy(false);
    const values = () => ({ count: numeral(count), limit: numeral(settings.charLimit) });
    showNotice(() => ({ text: label("error_long", values()) }), { error: true });
  } else {
    session.schedule(milliseconds);
  }
}

function body() {
  return withKey({ q: source.text, source: pickers.source, target: pickers.target, include: ["alignment", "scores"] });
}

function withKey(asked) {
  const key = byId("api-key").value;
  return key ? { ...asked, api_key: key } : asked;
}

function begin() {
  known = "";
  before = target.text;
  setBusy(true);
}

function delta(text) {
  known += text;
  target.showPartial(known, before);
}

function done(answer, asked) {
  pickers.setDetected(asked.source === AUTO ? (answer.detectedLanguage?.language ?? "") : "");
  reading = readingOf(asked.q, pickers.spoken, answer, asked.target);
  hideNoticeOfText();
  showReading();
  showExchange(asked, answer);
  if (answer.finish_reason) {
    showNotice(() => ({ text: label("cut", { reason: answer.finish_reason }) }), { error: true });
  } else if (pickers.spoken === pickers.target) {
    offerOtherTarget();
  }
}

function showReading() {
  target.showReading(reading, pickers.target);
  source.showWords(reading.sourceWords);
  setButtons();
  const count = characterCount(reading.text);
  if (count > READ_OUT) {
    announce(label("ready_long", { count: numeral(count) }));
  } else {
    announce(reading.text, pickers.target);
  }
}

function offerOtherTarget() {
  const [other] = pickers.targetsOf(pickers.target);
  if (!other) {
    return;
  }
  const same = pickers.target;
  const words = () => ({
    text: label("same", { language: languageNameInside(same) }),
    action: label("same_action", { language: languageNameInside(other) }),
  });
  const act = () => {
    pickers.set(pickers.source, other);
    changed(0);
  };
  showNotice(words, { act });
}

function problem(found, retries, again = () => changed(0)) {
  if (found.kind === "key") {
    byId("key-row").hidden = false;
  }
  const key = found.kind === "busy" && !retries ? "error_busy_long" : `error_${found.kind}`;
  const values = { message: found.message, seconds: found.retrySeconds };
  const words = () => ({ text: label(key, values), action: retries ? undefined : label("try_again") });
  target.fade(true);
  showNotice(words, { error: true, act: again });
}

// Pointing at words

function pointAtSource(word) {
  if (!menu.isOpen) {
    source.colour(word < 0 ? [] : [word], "here");
    target.colour(word < 0 || !reading ? [] : reading.into[word], "from");
  }
}

function pointAtTarget(word) {
  if (!menu.isOpen) {
    target.colour(word < 0 ? [] : [word], "here");
    source.colour(word < 0 || !reading ? [] : reading.from[word], "from");
  }
}

function pointAtNothing() {
  source.colour([], "here");
  target.colour([], "here");
}

// Other words

function openChoices(word, anchor) {
  const of = reading;
  if (!of) {
    return;
  }
  pointAtTarget(word);
  otherWords.open(of, word, anchor, (number, sentence, asked, answer) => {
    if (reading === of) {
      reading = spliced(of, number, sentence);
      showReading();
      target.focusWord(word);
      if (asked) {
        showExchange(asked, answer);
      }
    }
  });
}

menu.onClose = () => {
  otherWords.stop();
  pointAtNothing();
};

// Everything around

async function uploadFile(file) {
  showNotice(() => ({ text: label("file_wait", { name: file.name }) }), { stays: true });
  setBusy(true);
  try {
    const href = await translateFile(file, pickers.source, pickers.target, byId("api-key").value);
    const words = () => ({ text: label("file_done", { name: file.name }), link: label("file_get") });
    showNotice(words, { href, stays: true });
  } catch (error) {
    problem(error, false, () => uploadFile(file));
  } finally {
    setBusy(false);
  }
}

function showCount() {
  const count = characterCount(source.text);
  const { charLimit } = settings;
  byId("count-now").textContent = numeral(count);
  byId("count-limit").textContent = charLimit ? ` / ${numeral(charLimit)}` : "";
  byId("count").classList.toggle("over", Boolean(charLimit) && count > charLimit);
  byId("work").classList.toggle("long", count > LONG_TEXT);
  byId("clear").disabled = !source.text;
  return count;
}

function setBusy(isBusy) {
  byId("target-pane").setAttribute("aria-busy", String(isBusy));
}

function setButtons() {
  byId("copy").disabled = !target.text;
  byId("share").disabled = !target.text;
}

function listen(id, name, act) {
  byId(id).addEventListener(name, (event) => act(event, byId(id)));
}

listen("source-text", "input", (event) => {
  source.mirrorText();
  changed(/^(?:insertFromPaste|insertFromDrop)$/.test(event.inputType) ? 0 : settings.frontendTimeout);
});
listen("source-text", "keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    changed(0);
  }
});
listen("swap", "click", () => {
  const [spoken, text] = [pickers.spoken, target.text];
  pickers.setDetected("");
  pickers.set(pickers.target, spoken);
  replaceText(text || source.text);
});
listen("clear", "click", () => {
  replaceText("");
  source.box.focus();
});
listen("copy", "click", (_, button) => copyFrom(button, target.text, "copied"));
listen("share", "click", (_, button) => {
  if (!fitsAddress(source.text)) {
    showNotice(() => ({ text: label("link_long") }));
  }
  return copyFrom(button, location.href, "link_copied");
});
listen("copy-request", "click", (_, button) => copyFrom(button, byId("request").textContent, "copied"));
listen("copy-answer", "click", (_, button) => copyFrom(button, byId("answer").textContent, "copied"));
listen("page-language", "change", (event) => {
  setPageLanguage(event.target.value);
  pickers.refresh();
  showCount();
  refreshNotice();
  if (reading) {
    target.showReading(reading, pickers.target);
  }
});
listen("api-key", "change", (event) => {
  remember("key", event.target.value, "sessionStorage");
  changed(0);
});
listen("key-row", "submit", (event) => event.preventDefault()); // Enter changes the field, and that is enough
window.addEventListener("hashchange", openAddress);
window.addEventListener("online", () => source.text.trim() && changed(0));

byId("api-key").value = remembered("key", "sessionStorage");
startTheme(byId("theme"));
showCount();
if (window.matchMedia("(hover: hover)").matches) {
  source.box.focus({ preventScroll: true });
}
start();
