// The language of the page itself: labels, names of languages, numbers.

import { LABELS, LANGUAGES } from "./labels.js";
import { remember, remembered } from "./memory.js";

// What an element with `data-name="key"` and the like is given.
const ATTRIBUTES = {
	aria: ["aria-label"],
	name: ["aria-label", "title"],
	hint: ["aria-label", "placeholder"],
	placeholder: ["placeholder"],
};
const LOWERS_NAMES = ["fr", "es"]; // within a sentence, names of languages have no capital

let code = chosen();

function chosen() {
	const wanted = [remembered("language"), ...(navigator.languages ?? [navigator.language])];
	return wanted.map((name) => name.toLowerCase().split("-")[0]).find((name) => LANGUAGES.includes(name)) ?? "en";
}

export function pageLanguage() {
	return code;
}

export function setPageLanguage(name) {
	code = name;
	remember("language", name);
	translatePage();
}

export function label(key, values = {}) {
	return LABELS[key].split("|")[LANGUAGES.indexOf(code)].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

export function numeral(value, options) {
	return new Intl.NumberFormat(code, options).format(value);
}

/** The name of a language in the page's language; `fallback` if the browser has none. */
export function languageName(language, fallback = language) {
	return nameIn(code, language) || fallback;
}

/** Its name in itself, or "". */
export function nativeName(language) {
	return nameIn(language, language);
}

/** The same within a sentence. */
export function languageNameInside(language) {
	const name = languageName(language);
	return LOWERS_NAMES.includes(code) ? name.charAt(0).toLocaleLowerCase(code) + name.slice(1) : name;
}

function nameIn(reader, language) {
	try {
		const name = new Intl.DisplayNames([reader], { type: "language", fallback: "none" }).of(language) ?? "";
		return name.charAt(0).toLocaleUpperCase(reader) + name.slice(1);
	} catch {
		return ""; // not a code that browsers know
	}
}

export function translatePage() {
	document.documentElement.lang = code;
	for (const element of document.querySelectorAll("[data-label]")) {
		element.textContent = label(element.dataset.label);
	}
	for (const [name, attributes] of Object.entries(ATTRIBUTES)) {
		for (const element of document.querySelectorAll(`[data-${name}]`)) {
			attributes.forEach((attribute) => element.setAttribute(attribute, label(element.dataset[name])));
		}
	}
}
