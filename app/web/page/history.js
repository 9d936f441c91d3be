// The last translations, kept in this browser alone.

import { byId, make, makeButton } from "./elements.js";
import { remembered, rememberedList, rememberList, rememberSwitch } from "./memory.js";
import { label } from "./page_language.js";

const MAX_ENTRIES = 50;
const MAX_CHARACTERS = 2000; // of a text; longer ones are not kept

export class History {
	#isDraft = false; // the newest entry is of the text that is still being written

	/** @param hooks {restore(entry), pair(entry)}: what a click does, and the names of its languages */
	constructor(hooks) {
		this.hooks = hooks;
		this.panel = byId("history");
		this.keep = byId("history-keep");
		rememberSwitch(this.keep, "history.off", (isOn) => {
			if (!isOn) {
				this.#delete();
			}
			this.refresh();
		});
		byId("history-clear").addEventListener("click", () => {
			this.#delete();
			this.refresh();
		});
		byId("history-search").addEventListener("input", () => this.refresh());
		this.panel.addEventListener("toggle", () => this.refresh());
	}

	/** Keep a translation. A text that was written on takes the place of what it was before. */
	add(entry) {
		if (!this.keep.checked || !entry.source || entry.text.length > MAX_CHARACTERS || remembered("history.off")) {
			return;
		}
		const { text, source, target } = entry;
		const entries = rememberedList("history");
		const isWrittenOn = this.#isDraft && entries[0]?.target === target && areAlike(entries[0].text, text);
		const isSame = (one) => one.text === text && one.source === source && one.target === target;
		const others = entries.slice(isWrittenOn ? 1 : 0).filter((one) => !isSame(one));
		rememberList("history", [entry, ...others].slice(0, MAX_ENTRIES));
		this.#isDraft = true;
		this.refresh();
	}

	/** The text in the box is another one now. */
	endDraft() {
		this.#isDraft = false;
	}

	refresh() {
		if (!this.panel.open) {
			return;
		}
		const wanted = byId("history-search").value.trim().toLowerCase();
		const entries = rememberedList("history");
		const shown = entries.filter(({ text, translation }) => `${text}\n${translation}`.toLowerCase().includes(wanted));
		byId("history-clear").disabled = !entries.length;
		byId("history-list").replaceChildren(...shown.map((entry) => this.#row(entry)));
		byId("history-status").textContent = shown.length ? "" : label(entries.length ? "nothing" : "history_empty");
	}

	#row(entry) {
		const button = makeButton({}, make("span", { class: "small" }, this.hooks.pair(entry)), () => this.hooks.restore(entry));
		for (const [lang, text] of [
			[entry.source, entry.text],
			[entry.target, entry.translation],
		]) {
			button.append(" ", make("span", { class: "history-text", lang, dir: "auto" }, text));
		}
		return make("li", {}, button);
	}

	#delete() {
		rememberList("history", []);
		this.#isDraft = false;
	}
}

/** Whether half of the shorter text stands at an end of both. */
function areAlike(one, other) {
	const half = Math.ceil(Math.min(one.length, other.length) / 2);
	return one.slice(0, half) === other.slice(0, half) || one.slice(-half) === other.slice(-half);
}
