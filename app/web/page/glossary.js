// Terms and the translations they must have, for each pair of languages; kept in this browser, sent with each request.

import { byId, make, makeButton } from "./elements.js";
import { decoded } from "./files.js";
import { rememberedList, rememberList, rememberSwitch } from "./memory.js";
import { label, languageName, languageNameInside, numeral } from "./page_language.js";

const MAX_TERMS = 500;
const MAX_LENGTH = 300; // of a term: with three bytes each, below the 1024 bytes that the service takes
const MAX_FILE_BYTES = 1_000_000;
const SPACELESS = /[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmr}\p{sc=Mymr}]/u;
const LETTER = /[\p{L}\p{N}]/u;
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;

export class Glossary {
	#source = "";
	#target = "";
	#found = new Set(); // terms that are in the text

	/** @param {() => void} onChange the terms of the current languages are others */
	constructor(onChange) {
		this.onChange = onChange;
		this.use = byId("glossary-use");
		this.rows = byId("glossary-rows");
		rememberSwitch(this.use, "glossary.off", onChange);
		this.rows.addEventListener("change", () => this.#save());
		this.rows.addEventListener("input", () => this.#addEmptyRow());
		byId("glossary-import").addEventListener("click", () => byId("glossary-file").click());
		byId("glossary-file").addEventListener("change", ({ target: input }) => {
			this.#import(input.files[0]);
			input.value = "";
		});
		byId("glossary-export").addEventListener("click", () => this.#export());
	}

	/** The terms of a pair as a request takes them; undefined if there are none, or they are switched off. */
	termsOf(source, target) {
		const rows = this.use.checked && source && source !== target ? rememberedList(`glossary.${source}.${target}`) : [];
		const whole = rows.filter(([term, translation]) => term && translation);
		return whole.length ? Object.fromEntries(whole) : undefined;
	}

	/** Show the terms of these languages; `source` is "" while it is not known. */
	show(source, target) {
		if (source !== this.#source || target !== this.#target) {
			[this.#source, this.#target] = [source, target];
			this.#found = new Set();
			this.refresh();
		}
	}

	refresh() {
		const isPair = this.#source && this.#source !== this.#target;
		const pair = `${languageName(this.#source)} → ${languageName(this.#target)}`;
		this.#say(isPair ? pair : label("glossary_no_pair"));
		this.rows.replaceChildren();
		byId("glossary-import").disabled = !isPair;
		if (isPair) {
			rememberedList(this.#key).forEach((row) => this.#addRow(row));
			this.#addEmptyRow();
		}
		this.#showFound();
	}

	/** Show which of these terms are in the text. @returns their places [start, end] in it and in its translation */
	find(terms, text, translation) {
		const places = { source: [], target: [] };
		const taken = new Uint8Array(text.length); // the longest term comes first, and keeps its place
		this.#found = new Set();
		const variants = Object.entries(terms ?? {}).flatMap(variantsOf);
		for (const { term, from, to } of variants.sort((one, other) => other.from.length - one.from.length)) {
			const free = occurrences(text, from).filter(([start, end]) => !taken[start] && !taken[end - 1]);
			if (free.length) {
				free.forEach(([start, end]) => taken.fill(1, start, end));
				places.source.push(...free);
				places.target.push(...occurrences(translation, to));
				this.#found.add(term);
			}
		}
		this.#showFound();
		return places;
	}

	get #key() {
		return `glossary.${this.#source}.${this.#target}`;
	}

	get #values() {
		const rows = [...this.rows.children].map((row) => [...row.querySelectorAll("input")].map(({ value }) => clean(value)));
		return rows.filter(([term, translation]) => term || translation);
	}

	#save() {
		rememberList(this.#key, this.#values);
		this.#showFound();
		this.onChange();
	}

	#addRow(values) {
		const fields = [this.#source, this.#target].map((lang, side) => {
			const name = label("glossary_term", { language: languageNameInside(lang) });
			const attributes = { value: values[side], maxlength: MAX_LENGTH, dir: "auto", lang, placeholder: languageName(lang) };
			return make("input", { ...attributes, "aria-label": name });
		});
		const name = { title: label("remove"), "aria-label": `${label("remove")}: ${values[0]}` };
		const remove = makeButton(name, "✕", () => {
			(row.nextElementSibling ?? row).firstChild.focus();
			row.remove();
			this.#addEmptyRow();
			this.#save();
		});
		const row = make("li", {}, ...fields, remove);
		this.rows.append(row);
	}

	/** There is always one more row to write in. */
	#addEmptyRow() {
		const last = this.rows.lastElementChild;
		const isFull = this.rows.children.length >= MAX_TERMS;
		if (!isFull && (!last || [...last.querySelectorAll("input")].some(({ value }) => value.trim()))) {
			this.#addRow(["", ""]);
		}
	}

	#showFound() {
		let count = 0;
		for (const row of this.rows.children) {
			const [field] = row.children;
			const isFound = this.#found.has(clean(field.value));
			row.classList.toggle("found", isFound);
			field.setAttribute("aria-description", isFound ? label("glossary_found") : "");
			count += clean(field.value) ? 1 : 0;
		}
		const share = `(${numeral(this.#found.size)}/${numeral(count)} ${label("glossary_found")})`;
		byId("glossary-count").textContent = count ? share : "";
		byId("glossary-export").disabled = !count;
	}

	async #import(file) {
		if (!file) {
			return;
		}
		const lines = file.size > MAX_FILE_BYTES ? null : decoded(await file.arrayBuffer()).replace(/^\ufeff/, "").split("\n");
		const rows = new Map(this.#values);
		let [read, skipped] = [0, 0];
		for (const line of (lines ?? []).filter((one) => one.trim())) {
			const cells = line.split("\t").map((cell) => cell.trim());
			const isWhole = cells.length === 2 && cells.every((cell) => cell && cell.length <= MAX_LENGTH && !UNPRINTABLE.test(cell));
			read += isWhole ? 1 : 0;
			skipped += isWhole ? 0 : 1;
			if (isWhole) {
				rows.set(...cells);
			}
		}
		if (!lines || rows.size > MAX_TERMS) {
			this.#say(label("glossary_limit", { limit: numeral(MAX_TERMS) }));
			return;
		}
		rememberList(this.#key, [...rows]);
		this.refresh();
		this.#say(label("glossary_imported", { count: numeral(read), skipped: numeral(skipped) }));
		this.onChange();
	}

	#export() {
		const text = this.#values.map((row) => `${row.join("\t")}\n`).join("");
		const href = URL.createObjectURL(new Blob([text], { type: "text/tab-separated-values" }));
		make("a", { href, download: `${this.#source}-${this.#target}.tsv` }).click();
		setTimeout(() => URL.revokeObjectURL(href), 60_000);
	}

	#say(text) {
		byId("glossary-status").textContent = text;
	}
}

/** The terms of the header X-Glossary-Unplaced as a list to be read. */
export function unplacedTerms(header) {
	return header
		.split(", ")
		.map((term) => (term.startsWith("... ") ? `… +${Number.parseInt(term.slice(4), 10)}` : decodeURIComponent(term)))
		.join(", ");
}

/** A term in small letters is found with a capital or in capitals too, and written so. */
function variantsOf([term, translation]) {
	const found = [{ term, from: term, to: translation }];
	const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
	if (term === term.toLowerCase() && term !== capital(term)) {
		found.push({ term, from: capital(term), to: capital(translation) });
		found.push({ term, from: term.toUpperCase(), to: translation.toUpperCase() });
	}
	return found;
}

/** The places [start, end] of a word in a text that are no part of a longer word. */
function occurrences(text, word) {
	const places = [];
	const isJoined = (inside, outside = "") => LETTER.test(inside) && LETTER.test(outside) && !SPACELESS.test(inside);
	for (let start = text.indexOf(word); start >= 0; start = text.indexOf(word, start + 1)) {
		const end = start + word.length;
		if (!isJoined(word[0], text[start - 1]) && !isJoined(word.at(-1), text[end])) {
			places.push([start, end]);
		}
	}
	return places;
}

function clean(text) {
	return text.replace(new RegExp(UNPRINTABLE, "gu"), " ").trim();
}
