// The language of the page itself: labels, names of languages, numbers.

import { LABELS } from "./labels.js";
import { remember, remembered } from "./memory.js";

const ATTRIBUTES = { labelAria: "aria-label", labelTitle: "title", labelPlaceholder: "placeholder" };

let code = chosen();

function chosen() {
  const wanted = [remembered("language"), ...(navigator.languages ?? [navigator.language])];
  return wanted.map((name) => name.toLowerCase().split("-")[0]).find((name) => name in LABELS) ?? "en";
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
  return LABELS[code][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

export function numeral(value) {
  return new Intl.NumberFormat(code).format(value);
}

/** The name of a language in the language of the page; `fallback` if the browser has none. */
export function languageName(language, fallback = language) {
  try {
    const name = new Intl.DisplayNames([code], { type: "language", fallback: "none" }).of(language) ?? fallback;
    return name.charAt(0).toLocaleUpperCase(code) + name.slice(1);
  } catch {
    return fallback; // not a code that browsers know
  }
}

/** The same within a sentence, where French has no capital. */
export function languageNameInside(language) {
  const name = languageName(language);
  return code === "fr" ? name.charAt(0).toLocaleLowerCase(code) + name.slice(1) : name;
}

export function translatePage() {
  document.documentElement.lang = code;
  for (const element of document.querySelectorAll("[data-label]")) {
    element.textContent = label(element.dataset.label);
  }
  for (const [name, attribute] of Object.entries(ATTRIBUTES)) {
    const selector = `[data-${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}]`;
    for (const element of document.querySelectorAll(selector)) {
      element.setAttribute(attribute, label(element.dataset[name]));
    }
  }
}
