// The text to translate. Under the box lies a mirror of it, whose words can be coloured.

import { byId, make } from "./elements.js";
import { wordAt } from "./reading.js";

const CARET_KEYS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"]);

export class SourcePane {
	#words = [];
	#spans = [];
	#coloured = [];
	#frame = 0;

	box = byId("source-text");
	mirror = byId("source-words");

	/** @param {(word: number) => void} onPoint a word is pointed at, or none (-1) */
	constructor(onPoint) {
		const { box } = this;
		box.addEventListener("pointermove", (event) => {
			cancelAnimationFrame(this.#frame);
			this.#frame = requestAnimationFrame(() => onPoint(this.#wordUnder(event.clientX, event.clientY)));
		});
		box.addEventListener("pointerleave", () => {
			cancelAnimationFrame(this.#frame);
			onPoint(-1);
		});
		box.addEventListener("keyup", (event) => {
			if (CARET_KEYS.has(event.key)) {
				onPoint(wordAt(this.#words, box.selectionStart));
			}
		});
		box.addEventListener("blur", () => onPoint(-1));
		this.mirrorText();
	}

	get text() {
		return this.box.value;
	}

	set text(value) {
		this.box.value = value;
		this.mirrorText();
	}

	/** The text has changed: no words are known. */
	mirrorText() {
		this.#words = [];
		this.#spans = [];
		this.mirror.textContent = `${this.box.value}\u200b`; // so that an empty last line counts
	}

	/** @param words [start, end] of each, in order; @param terms the numbers of those that belong to a glossary's term */
	showWords(words, terms) {
		this.#words = words;
		this.#spans = [];
		const text = this.box.value;
		const parts = document.createDocumentFragment();
		let place = 0;
		for (const [start, end] of words) {
			const number = this.#spans.length;
			const span = make("span", { "data-word": number, class: terms.has(number) ? "term" : "" }, text.slice(start, end));
			parts.append(text.slice(place, start), span);
			this.#spans.push(span);
			place = end;
		}
		parts.append(`${text.slice(place)}\u200b`);
		this.mirror.replaceChildren(parts);
	}

	colour(words, kind) {
		this.#coloured.forEach((span) => span.classList.remove("from", "here"));
		this.#coloured = [...words].map((word) => this.#spans[word]).filter(Boolean);
		this.#coloured.forEach((span) => span.classList.add(kind));
	}

	#wordUnder(x, y) {
		const found = document.elementsFromPoint(x, y).find((element) => element.parentElement === this.mirror);
		return found?.dataset.word === undefined ? -1 : Number(found.dataset.word);
	}
}
