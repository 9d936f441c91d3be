// The two languages, chosen among what the service says it can do.

import { byId } from "./elements.js";
import { LanguageList, isLetter } from "./language_list.js";
import { rememberedList, rememberList } from "./memory.js";
import { label, languageName } from "./page_language.js";

export const AUTO = "auto";
const FEW = 8; // up to so many languages stand in one list
const MAX_RECENT = 5;

export class Pickers {
	source = AUTO;
	target = "";
	detected = "";
	languages = [];
	names = new Map();

	list = new LanguageList();
	boxes = { source: byId("source-language"), target: byId("target-language") };

	constructor(onChange) {
		const { list } = this;
		this.onChange = onChange;
		for (const [side, box] of Object.entries(this.boxes)) {
			box.addEventListener("click", () => (list.anchor === box ? list.close(true) : this.#open(side)));
			box.addEventListener("keydown", (event) => {
				if (event.key === "ArrowDown" || event.key === "ArrowUp" || isLetter(event)) {
					event.preventDefault();
					this.#open(side, isLetter(event) ? event.key : "");
				}
			});
		}
	}

	/** The language of the text as far as it is known, else "". */
	get spoken() {
		return this.source === AUTO ? this.detected : this.source;
	}

	get canSwap() {
		return this.spoken !== this.target && this.serves(this.target, this.spoken);
	}

	serves(source, target) {
		const found = this.languages.find(({ code }) => code === source);
		return Boolean(found && found.targets.includes(target));
	}

	/** Languages that a text in `source` can be translated into, without itself. */
	targetsOf(source) {
		const found = this.languages.filter(({ code }) => source === AUTO || code === source);
		const codes = new Set(found.flatMap(({ code, targets }) => targets.filter((target) => target !== code)));
		return [...codes].sort();
	}

	fill(languages) {
		this.languages = languages.filter(({ code, targets }) => targets.some((target) => target !== code));
		this.names = new Map(languages.map(({ code, name }) => [code, name]));
		this.set(this.source, this.target);
	}

	/** Write the names again, in the language of the page. */
	refresh() {
		this.list.close(false);
		this.#settled();
	}

	/** Choose these languages as far as they are there. */
	set(source, target) {
		this.source = this.languages.some(({ code }) => code === source) ? source : AUTO;
		const targets = this.targetsOf(this.source);
		this.target = targets.includes(target) ? target : (targets[0] ?? "");
		this.#settled();
	}

	setDetected(language) {
		this.detected = language;
		this.#settled();
	}

	nameOf(code) {
		if (code !== AUTO) {
			return languageName(code, this.names.get(code));
		}
		return this.detected ? label("detected", { language: this.nameOf(this.detected) }) : label("detect");
	}

	#open(side, typed) {
		const isSource = side === "source";
		const codes = isSource ? this.languages.map(({ code }) => code) : this.targetsOf(AUTO);
		const option = (code) => ({ code, name: this.nameOf(code), served: this.names.get(code) });
		const options = codes.map(option).sort((one, other) => one.name.localeCompare(other.name));
		const recent = options.length > FEW ? rememberedList("recent").filter((code) => codes.includes(code)) : [];
		const others = options.filter(({ code }) => !recent.includes(code));
		const groups = [
			{ options: isSource ? [{ code: AUTO, name: label("detect") }] : [] },
			{ head: label("picker_recent"), options: recent.map(option) },
			{ head: recent.length ? label("picker_all") : "", options: others },
		];
		const name = label(isSource ? "from" : "into");
		this.list.open(this.boxes[side], groups, { name, chosen: this[side], typed }, (code) => this.#picked(side, code));
	}

	#picked(side, code) {
		const before = { source: this.source, target: this.target };
		const used = [code, before[side], ...rememberedList("recent")].filter((one) => one && one !== AUTO);
		rememberList("recent", [...new Set(used)].slice(0, MAX_RECENT));
		this[side] = code;
		const fitting = this.targetsOf(this.source);
		if (side === "source" && !fitting.includes(this.target)) {
			this.target = fitting.includes(before.source) ? before.source : (fitting[0] ?? "");
		} else if (side === "target" && this.source !== AUTO && !fitting.includes(code)) {
			this.source = before.target !== code && this.serves(before.target, code) ? before.target : AUTO;
		}
		this.#settled();
		this.onChange();
	}

	#settled() {
		for (const [side, box] of Object.entries(this.boxes)) {
			box.value = this[side];
			box.lastElementChild.textContent = this.nameOf(this[side]);
		}
		byId("swap").disabled = !this.canSwap;
	}
}
