// The translation. Its words can be pointed at, walked through with the arrow keys and opened.

import { byId, make } from "./elements.js";
import { label } from "./page_language.js";
import { isDoubtful } from "./reading.js";

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export class TargetPane {
	reading = null; // what is shown, maybe of an older text
	#spans = [];
	#coloured = [];
	#current = 0;

	box = byId("translation");
	waiting = byId("waiting");
	legend = byId("legend");

	/**
	 * @param {(word: number) => void} onPoint a word is pointed at or focused, or none (-1)
	 * @param {(word: number, span: HTMLElement) => void} onOpen a word is clicked
	 */
	constructor(onPoint, onOpen) {
		const { box } = this;
		const numberOf = (event) => (event.target.dataset?.word === undefined ? -1 : Number(event.target.dataset.word));
		box.addEventListener("pointerover", (event) => onPoint(numberOf(event)));
		box.addEventListener("pointerleave", () => onPoint(-1));
		box.addEventListener("focusin", (event) => {
			this.#makeCurrent(numberOf(event));
			onPoint(numberOf(event));
		});
		box.addEventListener("focusout", () => onPoint(-1));
		box.addEventListener("click", (event) => {
			const word = numberOf(event);
			if (word >= 0 && getSelection().isCollapsed) {
				onOpen(word, this.#spans[word]);
			}
		});
		box.addEventListener("keydown", (event) => this.#onKey(event, onOpen));
	}

	get text() {
		return this.reading?.text ?? "";
	}

	clear() {
		this.reading = null;
		this.#show("");
		this.legend.hidden = true;
	}

	/** What is known so far; what stood there before stays behind it, faint, so that nothing jumps. */
	showPartial(known, before) {
		this.#spans = [];
		this.#show(known, make("span", { class: "stale" }, before.slice(known.length)));
	}

	/** Another translation is on its way: what stands here is not the last word. */
	fade(isFaded) {
		this.box.classList.toggle("stale", isFaded);
	}

	/** @param terms the numbers of the words that belong to a glossary's term */
	showReading(reading, terms) {
		this.reading = reading;
		this.#spans = [];
		this.box.lang = reading.target;
		const parts = document.createDocumentFragment();
		let place = 0;
		reading.words.forEach(([start, end], word) => {
			const kinds = ["word", isDoubtful(reading, word) && "doubt", terms.has(word) && "term"].filter(Boolean).join(" ");
			const attributes = { class: kinds, "data-word": word, role: "button", "aria-haspopup": "menu", tabindex: -1 };
			const span = make("span", attributes, reading.text.slice(start, end));
			if (isDoubtful(reading, word)) {
				span.title = this.#doubt(word);
			}
			parts.append(reading.text.slice(place, start), span);
			this.#spans.push(span);
			place = end;
		});
		parts.append(reading.text.slice(place));
		this.#show(parts);
		this.#makeCurrent(0);
		this.legend.hidden = !this.#spans.length;
		byId("legend-doubt").hidden = !reading.words.some((_, word) => isDoubtful(reading, word));
		byId("legend-terms").hidden = !terms.size;
	}

	colour(words, kind) {
		this.#coloured.forEach((span) => span.classList.remove("from", "here"));
		this.#coloured = [...words].map((word) => this.#spans[word]).filter(Boolean);
		this.#coloured.forEach((span) => span.classList.add(kind));
	}

	focusWord(word) {
		const last = this.#spans.length - 1;
		const span = this.#spans[Math.max(0, Math.min(last, word))];
		if (span) {
			this.#makeCurrent(Number(span.dataset.word)); // first, so that its description is there when it is read out
			span.focus();
		}
	}

	#show(...content) {
		this.box.replaceChildren(...content);
		this.box.hidden = !this.box.textContent;
		this.waiting.hidden = !this.box.hidden;
		this.fade(false);
	}

	/** Only one word is in the order of the tab key. */
	#makeCurrent(word) {
		const span = this.#spans[word];
		if (!span) {
			return;
		}
		if (this.#spans[this.#current]) {
			this.#spans[this.#current].tabIndex = -1;
		}
		this.#current = word;
		span.tabIndex = 0;
		span.setAttribute("aria-description", this.#description(word));
	}

	#description(word) {
		const { from, sourceText, sourceWords } = this.reading;
		const sources = [...from[word]].sort((one, other) => one - other);
		const words = sources.map((source) => sourceText.slice(...sourceWords[source])).join(" ");
		const said = words ? [label("made_of", { words })] : [];
		return [...said, ...(isDoubtful(this.reading, word) ? [this.#doubt(word)] : [])].join("; ");
	}

	#doubt(word) {
		return label("doubt", { percent: Math.round(100 * this.reading.sure[word]) });
	}

	#onKey(event, onOpen) {
		if (event.ctrlKey || event.metaKey || event.altKey || !this.#spans.length) {
			return;
		}
		if (event.key in STEPS) {
			const isMirrored = event.key.endsWith("t") && getComputedStyle(this.box).direction === "rtl"; // ArrowLeft, ArrowRight
			this.focusWord(this.#current + (isMirrored ? -1 : 1) * STEPS[event.key]);
		} else if (event.key === "Home") {
			this.focusWord(0);
		} else if (event.key === "End") {
			this.focusWord(this.#spans.length - 1);
		} else if (event.key === "Enter" || event.key === " ") {
			onOpen(this.#current, this.#spans[this.#current]);
		} else {
			return;
		}
		event.preventDefault();
	}
}
