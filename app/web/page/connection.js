// Asks again and again whether the service answers, while it does not.

import { label } from "./page_language.js";
import { isAlive } from "./service.js";

const FIRST_MILLISECONDS = 1000;
const LONGEST_MILLISECONDS = 20_000;

export class Connection {
	#timer = 0;
	#pause = FIRST_MILLISECONDS;

	/** @param {() => void} onBack the service answers again */
	constructor(box, onBack) {
		this.box = box;
		this.onBack = onBack;
		// A service on this machine answers also without a network: the browser's word only asks for a look.
		window.addEventListener("offline", () => this.#look());
		for (const [target, name] of [[window, "online"], [document, "visibilitychange"]]) {
			target.addEventListener(name, () => this.isAway && this.#look());
		}
	}

	get isAway() {
		return !this.box.hidden;
	}

	/** A request found nobody. Each further one makes the next look later. */
	lost() {
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => this.#look(), this.#pause);
		this.#pause = Math.min(2 * this.#pause, LONGEST_MILLISECONDS);
		this.box.hidden = false;
		this.refresh();
	}

	/** A request was answered. */
	found() {
		clearTimeout(this.#timer);
		this.#pause = FIRST_MILLISECONDS;
		this.box.hidden = true;
	}

	refresh() {
		this.box.textContent = label("away");
	}

	async #look() {
		clearTimeout(this.#timer);
		if (!(await isAlive())) {
			this.lost();
		} else if (this.isAway) {
			this.box.hidden = true;
			this.onBack();
		}
	}
}
