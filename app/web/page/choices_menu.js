// A menu under a word or a button.

import { make, makeButton } from "./elements.js";
import { label } from "./page_language.js";

export class ChoicesMenu {
	#anchor = null;

	constructor(box) {
		this.box = box;
		box.addEventListener("keydown", (event) => this.#onKey(event));
		document.addEventListener("pointerdown", (event) => {
			if (!box.contains(event.target)) {
				this.close(false);
			}
		});
		window.addEventListener("resize", () => this.close(false));
	}

	get isOpen() {
		return !this.box.hidden;
	}

	/** Say that an answer is awaited. */
	wait(anchor) {
		this.#begin(anchor, label("choices", { word: anchor.textContent }));
		this.#fill([this.#line(label("choices_wait"))]);
	}

	/** Show choices under a button. */
	open(anchor, name, choices, onChoose) {
		this.#begin(anchor, name);
		this.show(choices, onChoose);
	}

	/** @param choices {word, share, text} of each; @param onChoose gets the number of one */
	show(choices, onChoose) {
		const items = choices.map(({ word, share = "", text = "" }, number) => {
			const choose = () => {
				this.close(true);
				onChoose(number);
			};
			const item = makeButton({ tabindex: -1, role: "menuitem" }, "", choose);
			item.append(part("choice-word", word || label("choice_end")), part("small share", share), part("small", text));
			return item;
		});
		this.#fill(items.length ? items : [this.#line(label("choices_none"))]);
		(items[0] ?? this.box).focus();
	}

	say(text) {
		this.#fill([this.#line(text)]);
	}

	close(givesFocusBack) {
		if (!this.isOpen) {
			return;
		}
		this.box.hidden = true;
		this.#anchor?.setAttribute("aria-expanded", "false");
		if (givesFocusBack) {
			this.#anchor?.focus();
		}
		this.#anchor = null;
		this.onClose?.();
	}

	#begin(anchor, name) {
		this.#anchor = anchor;
		this.box.setAttribute("aria-label", name);
		anchor.setAttribute("aria-expanded", "true");
	}

	#line(text) {
		const line = part("choice-line", text);
		line.setAttribute("role", "status");
		return line;
	}

	#fill(content) {
		this.box.replaceChildren(...content);
		this.box.hidden = false;
		const frame = this.box.parentElement.getBoundingClientRect();
		// A word may go over two lines: the menu belongs under its first part.
		const word = this.#anchor.getClientRects()[0] ?? this.#anchor.getBoundingClientRect();
		const left = Math.max(8, Math.min(word.left - frame.left - 12, frame.width - this.box.offsetWidth - 8));
		this.box.style.left = `${left}px`;
		this.box.style.top = `${word.bottom - frame.top + 6}px`;
		this.box.scrollIntoView({ block: "nearest" });
	}

	#onKey(event) {
		const items = [...this.box.querySelectorAll("button")];
		const place = items.indexOf(document.activeElement);
		const goTo = { ArrowDown: place + 1, ArrowUp: place - 1 + items.length, Home: 0, End: items.length - 1 }[event.key];
		if (event.key === "Escape") {
			this.close(true);
		} else if (event.key === "Tab") {
			this.close(true);
			return; // and on to the next from the word
		} else if (goTo !== undefined && items.length) {
			items[goTo % items.length].focus();
		} else {
			return;
		}
		event.preventDefault();
	}
}

function part(kind, text) {
	return make("span", { class: kind }, text);
}
