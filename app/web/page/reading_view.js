// The text and its translation as they are shown: words that belong together, and others for them.

import { ChoicesMenu } from "./choices_menu.js";
import { showExchange } from "./drawer.js";
import { byId } from "./elements.js";
import { announce } from "./notice.js";
import { OtherWords } from "./other_words.js";
import { label, numeral } from "./page_language.js";
import { characterCount, spliced, touched } from "./reading.js";
import { SourcePane } from "./source_pane.js";
import { TargetPane } from "./target_pane.js";

const READ_OUT = 1000; // a longer translation is only said to be ready

export class ReadingView {
	#reading = null; // of exactly the text in the box, or null
	#known = ""; // of a translation that is on its way
	#before = "";

	/** @param hooks {complete(asked), terms(reading), shown()} */
	constructor(hooks) {
		this.hooks = hooks;
		this.source = new SourcePane((word) => this.#point("source", word));
		this.target = new TargetPane(
			(word) => this.#point("target", word),
			(word, anchor) => this.#openChoices(word, anchor),
		);
		this.menu = new ChoicesMenu(byId("choices"));
		this.otherWords = new OtherWords(this.menu, hooks.complete);
		this.menu.onClose = () => {
			this.otherWords.stop();
			this.#pointAtNothing();
		};
	}

	/** The text has changed: what is shown is not its translation any more. */
	reset() {
		this.#reading = null;
		this.#pointAtNothing();
		this.menu.close(false);
	}

	begin() {
		this.#known = "";
		this.#before = this.target.text;
	}

	delta(text) {
		this.#known += text;
		this.target.showPartial(this.#known, this.#before);
	}

	show(reading) {
		this.#reading = reading;
		this.refresh();
		const count = characterCount(reading.text);
		if (count > READ_OUT) {
			announce(`${label("target_title")}. ${label("count_title")} ${numeral(count)}`);
		} else {
			announce(reading.text, reading.target);
		}
		this.hooks.shown();
	}

	refresh() {
		if (this.#reading) {
			const { source, target } = this.hooks.terms(this.#reading);
			const wordsAt = (words, places) => new Set(places.flatMap((place) => touched(words, place)));
			this.target.showReading(this.#reading, wordsAt(this.#reading.words, target));
			this.source.showWords(this.#reading.sourceWords, wordsAt(this.#reading.sourceWords, source));
		}
	}

	/** The sentences with their translations as tab-separated lines. */
	get table() {
		const { text, sourceText, segments } = this.target.reading;
		const rows = segments.map(({ source, start, end }) => [source, text.slice(start, end)]);
		const lines = rows.length ? rows : [[sourceText, text]];
		return lines.map((cells) => cells.map((cell) => cell.trim().replace(/\s+/g, " ")).join("\t")).join("\n");
	}

	#point(side, word) {
		if (!this.menu.isOpen) {
			const other = side === "source" ? "target" : "source";
			const linked = this.#reading?.[side === "source" ? "into" : "from"][word];
			this[side].colour(word < 0 ? [] : [word], "here");
			this[other].colour(linked ?? [], "from");
		}
	}

	#pointAtNothing() {
		this.source.colour([], "here");
		this.target.colour([], "here");
	}

	#openChoices(word, anchor) {
		const of = this.#reading;
		if (!of) {
			return;
		}
		this.#point("target", word);
		this.otherWords.open(of, word, anchor, (number, sentence, asked, answer) => {
			if (this.#reading === of) {
				this.show(spliced(of, number, sentence));
				this.target.focusWord(word);
				if (asked) {
					showExchange(asked, answer);
				}
			}
		});
	}
}
