// The line under the translation with what is wrong or to do next; and what is only read out.

import { pageLanguage } from "./page_language.js";

const box = document.getElementById("notice");
const text = document.getElementById("notice-text");
const action = document.getElementById("notice-action");

let current = null;
action.addEventListener("click", () => current?.act?.());

/**
 * @param {() => {text: string, action?: string}} words are asked again for another language
 * @param {{error?: boolean, ofFile?: boolean, act?: () => void}} more what the button does
 */
export function showNotice(words, more = {}) {
	current = { words, ...more };
	text.setAttribute("role", more.error ? "alert" : "status");
	refreshNotice();
}

export function refreshNotice() {
	box.hidden = !current;
	if (!current) {
		return;
	}
	const said = current.words();
	box.classList.toggle("error", Boolean(current.error));
	if (text.textContent !== said.text) {
		text.textContent = said.text;
	}
	action.hidden = !said.action;
	action.textContent = said.action ?? "";
}

/** @param {boolean} keepsFiles leaves what is said of a file */
export function hideNotice(keepsFiles) {
	if (keepsFiles && current?.ofFile) {
		return;
	}
	current = null;
	text.textContent = "";
	refreshNotice();
}

/** Have a screen reader say this. */
export function announce(words, language = pageLanguage()) {
	const place = document.getElementById("announcement");
	place.lang = language;
	place.textContent = words;
}
