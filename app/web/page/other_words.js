// A word is clicked: what else could stand there, and the translation with it.

import { label, numeral } from "./page_language.js";
import { characterCount, readingOf, segmentAt } from "./reading.js";
import { keyOfProblem, translateAtOnce } from "./service.js";

export class OtherWords {
	#asking = null;

	/**
	 * @param menu a ChoicesMenu
	 * @param {(asked: object) => object} complete adds to a request what each one has
	 */
	constructor(menu, complete) {
		this.menu = menu;
		this.complete = complete;
	}

	stop() {
		this.#asking?.abort();
	}

	/**
	 * Show the menu for a word. `onChosen` gets the number of the sentence, a reading of it with the chosen word, and the
	 * request and the answer that it is from (none if its words could not be traced).
	 */
	async open(reading, word, anchor, onChosen) {
		const number = segmentAt(reading, reading.words[word][0]);
		if (number < 0) {
			return;
		}
		this.stop();
		this.#asking = new AbortController();
		const { signal } = this.#asking;
		const segment = reading.segments[number];
		// The sentence alone is asked about, with what stands before the word: so earlier choices hold.
		const prefix = reading.text.slice(segment.start, reading.words[word][0]);
		const place = { target_prefix: prefix, alternatives_at: characterCount(prefix) };
		this.menu.wait(anchor);
		try {
			const { choices } = await translateAtOnce(this.#request(reading, segment, place), signal);
			const current = reading.text.slice(segment.start, segment.end);
			const others = choices.words.filter(({ translatedText }) => translatedText !== current);
			const shown = others.map(({ word, score, translatedText }) => ({ word, share: share(score), text: translatedText }));
			this.menu.show(shown, async (chosen) =>
				onChosen(number, ...(await this.#traced(reading, segment, others[chosen].translatedText))),
			);
		} catch (error) {
			if (!signal.aborted) {
				const key = error.kind === "refused" ? "choices_none" : keyOfProblem(error);
				this.menu.say(label(key, { message: error.message }));
			}
		}
	}

	/** @returns [reading, request, answer] of one sentence whose translation is given */
	async #traced(reading, segment, text) {
		const asked = this.#request(reading, segment, { target_prefix: text, include: ["alignment", "scores"] });
		const read = (answer) => readingOf(segment.source, reading.source, answer, reading.target);
		try {
			const answer = await translateAtOnce(asked);
			if (answer.translatedText === text) {
				return [read(answer), asked, answer];
			}
		} catch {
			// the text is known; only where its words come from is not
		}
		return [read({ translatedText: text })];
	}

	#request(reading, segment, more) {
		return this.complete({ q: segment.source, source: reading.source, target: reading.target, ...more });
	}
}

function share(score) {
	return `${numeral(Math.round(1000 * Math.exp(score)) / 10)} %`;
}
