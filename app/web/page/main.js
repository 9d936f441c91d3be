// The page: two panes, and what happens between them.

import { fitsAddress, readAddress, writeAddress } from "./address.js";
import { ChoicesMenu } from "./choices_menu.js";
import { copyFrom } from "./clipboard.js";
import { Connection } from "./connection.js";
import { showExchange } from "./drawer.js";
import { byId } from "./elements.js";
import { FileList } from "./file_list.js";
import { Files } from "./files.js";
import { Glossary, unplacedTerms } from "./glossary.js";
import { History } from "./history.js";
import { remember, remembered } from "./memory.js";
import { hideNotice, refreshNotice, showNotice } from "./notice.js";
import { label, languageName, languageNameInside, numeral, pageLanguage, setPageLanguage } from "./page_language.js";
import { AUTO, Pickers } from "./pickers.js";
import { characterCount, readingOf } from "./reading.js";
import { ReadingView } from "./reading_view.js";
import { Problem, frontendSettings, keyOfProblem, languages } from "./service.js";
import { Session } from "./session.js";
import { startTheme } from "./theme.js";

const LONG_TEXT = 200; // from so many characters on it is set smaller

const settings = { charLimit: 0, frontendTimeout: 500, apiKeys: false, keyRequired: false };
let whenBack = () => {}; // what failed because the service did not answer

const pickers = new Pickers(languagesPicked);
const glossary = new Glossary(() => changed(0));
const view = new ReadingView({ complete, terms: termsIn, shown: setButtons });
const { source, target } = view;
const session = new Session({ body, begin, delta: (text) => view.delta(text), done, problem, idle: () => setBusy(false) });
const connection = new Connection(byId("away"), () => whenBack());
const copyMenu = new ChoicesMenu(byId("copy-menu"));
const history = new History({
	restore: (entry) => {
		setLanguages(entry.source, entry.target);
		replaceText(entry.text);
		source.box.focus();
	},
	pair: (entry) => `${languageName(entry.source)} → ${languageName(entry.target)}`,
});
const fileList = new FileList({
	key: () => byId("api-key").value,
	onKey: showKeyRow,
});
const ofFile = { error: true, ofFile: true };
const files = new Files({
	text: replaceText,
	upload: (file) => fileList.add(file, { source: pickers.source, target: pickers.target }),
	refuse: (name, kinds) =>
		showNotice(() => ({ text: label("error_file_kind", { name, kinds: kinds.join(" ") }) }), ofFile),
	tooLong: (name, count) => sayTooLong(count, `${name}: `, ofFile),
});

async function start() {
	try {
		const [found, list] = await Promise.all([frontendSettings(), languages()]);
		Object.assign(settings, found);
		files.configure(settings);
		byId("key-row").hidden = !(settings.apiKeys || settings.keyRequired);
		byId("api-key").required = settings.keyRequired;
		pickers.fill(list);
		connection.found();
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

/** What the address does not say is taken from the last visit and the service. */
function openAddress() {
	const wanted = readAddress();
	const first = wanted.source || remembered("source") || settings.language?.source.code || AUTO;
	const fallback = [remembered("target"), pageLanguage(), settings.language?.target.code];
	const targets = pickers.targetsOf(first);
	setLanguages(first, wanted.target || (fallback.find((code) => targets.includes(code)) ?? ""));
	if (wanted.text) {
		source.text = wanted.text;
		history.endDraft();
	}
	changed(0);
}

function replaceText(text) {
	source.text = text;
	history.endDraft();
	changed(0);
}

function setLanguages(from, into) {
	pickers.set(from, into);
	glossary.show(pickers.spoken, pickers.target);
}

function languagesPicked() {
	glossary.show(pickers.spoken, pickers.target);
	changed(0);
}

/** Text or languages have changed. */
function changed(milliseconds) {
	view.reset();
	const count = showCount();
	if (!pickers.target) {
		return; // the service has not said yet what it can do
	}
	remember("source", pickers.source);
	remember("target", pickers.target);
	writeAddress({ source: pickers.source, target: pickers.target, text: source.text });
	hideNotice();
	whenBack = () => changed(0);
	if (!source.text.trim()) {
		session.stop();
		setBusy(false);
		target.clear();
		history.endDraft();
		pickers.setDetected("");
		setLanguages(pickers.source, pickers.target);
		setButtons();
	} else if (settings.charLimit && count > settings.charLimit) {
		session.stop();
		setBusy(false);
		sayTooLong(count);
	} else {
		session.schedule(milliseconds);
	}
}

function sayTooLong(count, begin = "", more = { error: true }) {
	const values = () => ({ count: numeral(count), limit: numeral(settings.charLimit) });
	showNotice(() => ({ text: begin + label("error_long", values()) }), more);
}

function body() {
	const asked = { q: source.text, source: pickers.source, target: pickers.target, include: ["alignment", "scores"] };
	return complete(asked, pickers.spoken);
}

/** A request with what each one has: the terms of the glossary, and the key. */
function complete(asked, spoken = asked.source) {
	const terms = glossary.termsOf(spoken, asked.target);
	const key = byId("api-key").value;
	return { ...asked, ...(terms && { glossary: terms }), ...(key && { api_key: key }) };
}

function begin() {
	view.begin();
	setBusy(true);
}

function done(answer, asked, unplaced) {
	connection.found();
	pickers.setDetected(asked.source === AUTO ? (answer.detectedLanguage?.language ?? "") : "");
	const { spoken } = pickers;
	glossary.show(spoken, pickers.target);
	if (JSON.stringify(glossary.termsOf(spoken, asked.target)) !== JSON.stringify(asked.glossary)) {
		session.schedule(0); // the language is known only now, and it has other terms
	}
	hideNotice(true);
	view.show(readingOf(asked.q, spoken, answer, asked.target));
	showExchange(asked, answer);
	history.add({ text: asked.q, translation: answer.translatedText, source: spoken, target: asked.target });
	if (answer.finish_reason) {
		showNotice(() => ({ text: label("cut", { reason: answer.finish_reason }) }), { error: true });
	} else if (spoken === pickers.target) {
		offerOtherTarget();
	} else if (unplaced) {
		showNotice(() => ({ text: label("glossary_unplaced", { terms: unplacedTerms(unplaced) }) }));
	}
}

function termsIn(reading) {
	return glossary.find(glossary.termsOf(reading.source, reading.target), reading.sourceText, reading.text);
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
		setLanguages(pickers.source, other);
		changed(0);
	};
	showNotice(words, { act });
}

function problem(found, retries, again = () => changed(0)) {
	target.fade(true);
	if (found.kind === "away") {
		whenBack = again;
		connection.lost();
		return;
	}
	connection.found();
	if (found.kind === "key") {
		showKeyRow();
	}
	const key = keyOfProblem(found, retries);
	const values = { message: found.message, seconds: found.retrySeconds };
	const words = () => ({ text: label(key, values), action: retries ? undefined : label("try_again") });
	showNotice(words, { error: true, act: again });
}

function showKeyRow() {
	byId("key-row").hidden = false;
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
	for (const id of ["copy", "copy-more", "share"]) {
		byId(id).disabled = !target.text;
	}
}

function listen(id, name, act) {
	byId(id).addEventListener(name, (event) => act(event, byId(id)));
}

listen("source-text", "input", (event) => {
	const isPasted = /^(?:insertFromPaste|insertFromDrop)$/.test(event.inputType);
	source.mirrorText();
	changed(isPasted ? 0 : settings.frontendTimeout);
});
listen("source-text", "keydown", (event) => {
	if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
		changed(0);
	}
});
listen("swap", "click", () => {
	const [spoken, text] = [pickers.spoken, target.text];
	pickers.setDetected("");
	setLanguages(pickers.target, spoken);
	replaceText(text || source.text);
});
listen("clear", "click", () => {
	replaceText("");
	source.box.focus();
});
listen("copy", "click", (_, button) => copyFrom(button, target.text, "copied"));
listen("copy-more", "click", (_, button) => {
	const texts = [() => target.text, () => view.table];
	const choices = [{ word: label("target_title") }, { word: label("copy_table") }];
	copyMenu.open(button, label("copy_more"), choices, (chosen) => copyFrom(byId("copy"), texts[chosen](), "copied"));
});
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
	showCount();
	for (const part of [pickers, history, glossary, connection, view]) {
		part.refresh();
	}
	refreshNotice();
});
listen("api-key", "change", (event) => {
	remember("key", event.target.value, "sessionStorage");
	changed(0);
});
listen("key-row", "submit", (event) => event.preventDefault()); // Enter changes the field, and that is enough
window.addEventListener("hashchange", openAddress);

byId("api-key").value = remembered("key", "sessionStorage");
startTheme(byId("theme"));
showCount();
if (window.matchMedia("(hover: hover)").matches) {
	source.box.focus({ preventScroll: true });
}
start();
