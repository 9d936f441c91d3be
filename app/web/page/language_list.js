// The list of languages under a button, with a box to search it: the "combobox" pattern of ARIA.

import { byId, make } from "./elements.js";
import { label, nativeName, numeral } from "./page_language.js";

const STEPS = { ArrowDown: 1, ArrowUp: -1 };

export class LanguageList {
	anchor = null; // the button that it is open for
	#groups = [];
	#items = [];
	#active = -1;
	#onChoose = null;

	box = byId("picker");
	search = byId("picker-search");
	list = byId("picker-list");
	status = byId("picker-status");

	constructor() {
		const { box, search, list } = this;
		search.addEventListener("input", () => this.#fill());
		box.addEventListener("keydown", (event) => this.#onKey(event));
		box.addEventListener("focusout", ({ relatedTarget: next }) => next && !box.contains(next) && this.close(false));
		const itemOf = ({ target }) => this.#items.indexOf(target.closest("[role=option]"));
		list.addEventListener("click", (event) => this.#choose(itemOf(event)));
		list.addEventListener("pointermove", (event) => itemOf(event) >= 0 && this.#activate(itemOf(event), false));
		document.addEventListener("pointerdown", ({ target }) => {
			if (this.anchor && !box.contains(target) && !this.anchor.contains(target)) {
				this.close(false);
			}
		});
	}

	/** @param groups {head, options} of each; an option is {code, name, served} (its name from the service) */
	open(anchor, groups, { name, chosen, typed = "" }, onChoose) {
		this.close(false);
		this.anchor = anchor;
		this.#groups = groups.map(({ head, options }) => ({ head, options: options.map(withKeys) }));
		this.#onChoose = onChoose;
		this.chosen = chosen;
		this.search.value = typed;
		this.box.setAttribute("aria-label", name);
		this.list.setAttribute("aria-label", name);
		this.box.hidden = false;
		anchor.setAttribute("aria-expanded", "true");
		const place = anchor.offsetLeft - Math.max(0, anchor.offsetLeft + this.box.offsetWidth - this.box.offsetParent.clientWidth + 8);
		this.box.style.left = `${Math.max(8, place)}px`;
		this.#fill();
		// On a phone the keyboard would cover the list; there it comes with a tap on the box.
		const focused = window.matchMedia("(pointer: coarse)").matches && !typed ? this.list : this.search;
		focused.focus({ preventScroll: true });
	}

	close(givesFocusBack) {
		const anchor = this.anchor;
		if (!anchor) {
			return;
		}
		this.anchor = null; // first, because the focus leaves now
		this.box.hidden = true;
		anchor.setAttribute("aria-expanded", "false");
		if (givesFocusBack) {
			anchor.focus();
		}
	}

	#fill() {
		const wanted = plain(this.search.value.trim());
		const groups = wanted ? [{ options: found(this.#groups.flatMap(({ options }) => options), wanted) }] : this.#groups;
		this.#items = [];
		const parts = groups.filter(({ options }) => options.length).map((group) => this.#groupOf(group));
		this.list.replaceChildren(...parts);
		const count = this.#items.length;
		const text = count ? `${label("languages")}: ${numeral(count)}` : label("nothing");
		this.status.textContent = wanted ? text : "";
		this.status.classList.toggle("unseen", count > 0);
		const chosen = this.#items.findIndex(({ dataset }) => dataset.code === this.chosen);
		this.#activate(wanted ? 0 : Math.max(0, chosen), true);
	}

	#groupOf({ head, options }) {
		const group = make("div", head ? { role: "group", "aria-label": head } : { role: "group" });
		if (head) {
			group.append(make("p", { class: "small", "aria-hidden": true }, head));
		}
		for (const { code, name, native } of options) {
			const attributes = { id: `language-${this.#items.length}`, "data-code": code, "aria-selected": code === this.chosen };
			const item = make("div", { class: "picker-option", role: "option", ...attributes }, name);
			if (native && native !== name) {
				item.append(" ", make("span", { class: "picker-native", lang: code, dir: "auto" }, native));
			}
			this.#items.push(item);
			group.append(item);
		}
		return group;
	}

	#activate(item, scrolls) {
		this.#items[this.#active]?.classList.remove("active");
		this.#active = item;
		const active = this.#items[item];
		active?.classList.add("active");
		for (const element of [this.search, this.list]) {
			element.setAttribute("aria-activedescendant", active?.id ?? "");
		}
		if (scrolls && active) {
			const isFirst = item === 0; // then with the head of its group
			this.list.scrollTop = isFirst ? 0 : active.offsetTop - (this.list.clientHeight - active.offsetHeight) / 2;
		}
	}

	#choose(item) {
		const code = this.#items[item]?.dataset.code;
		if (code !== undefined) {
			this.close(true);
			this.#onChoose(code);
		}
	}

	#onKey(event) {
		const count = this.#items.length;
		if (event.isComposing) {
			return; // the keys belong to an input method
		}
		if (event.key === "Escape" || event.key === "Tab") {
			this.close(true);
		} else if (event.key === "Enter") {
			this.#choose(this.#active);
		} else if (event.key in STEPS) {
			this.#activate((this.#active + STEPS[event.key] + count) % count, true);
		} else {
			if (isLetter(event)) {
				this.search.focus(); // where the letter goes
			}
			return;
		}
		if (event.key !== "Tab") {
			event.preventDefault();
		}
	}
}

/** Whether a key types a character. */
export function isLetter(event) {
	return event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey;
}

function withKeys({ code, name, served = "" }) {
	const native = code === "auto" ? "" : nativeName(code);
	return { code, name, native, keys: [code, name, native, served].map(plain) };
}

/** In small letters, without accents. */
function plain(text) {
	return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

/** Those that match, best first: by code, the beginning of a name, of a word in it, or any part. */
function found(options, wanted) {
	const ranks = [
		({ keys }) => keys[0] === wanted,
		({ keys }) => keys.some((key) => key.startsWith(wanted)),
		({ keys }) => keys.some((key) => key.includes(` ${wanted}`) || key.includes(`(${wanted}`)),
		({ keys }) => keys.some((key) => key.includes(wanted)),
	];
	const rank = (option) => ranks.findIndex((fits) => fits(option));
	return options.filter((option) => rank(option) >= 0).sort((one, other) => rank(one) - rank(other));
}
