// The two languages, filled from what the service says it can do.

import { label, languageName } from "./page_language.js";

export const AUTO = "auto";

export class Pickers {
  constructor(source, target, swap, onChange) {
    this.sourceBox = source;
    this.targetBox = target;
    this.swapButton = swap;
    this.languages = [];
    this.detected = "";
    this.before = { source: AUTO, target: "" };
    source.addEventListener("change", () => this.#sourcePicked(onChange));
    target.addEventListener("change", () => this.#targetPicked(onChange));
  }

  get source() {
    return this.sourceBox.value;
  }

  get target() {
    return this.targetBox.value;
  }

  /** The language of the text as far as it is known, else "". */
  get spoken() {
    return this.source === AUTO ? this.detected : this.source;
  }

  get canSwap() {
    return this.spoken !== this.target && this.serves(this.target, this.spoken);
  }

  serves(source, target) {
    const found = this.languages.find(({ code }) => code === source);
    return Boolean(found && found.targets.includes(target));
  }

  /** Languages that a text in `source` can be translated into, without itself. */
  targetsOf(source) {
    const found = this.languages.filter(({ code }) => source === AUTO || code === source);
    const codes = new Set(found.flatMap(({ code, targets }) => targets.filter((target) => target !== code)));
    return [...codes].sort();
  }

  fill(languages) {
    this.languages = languages.filter(({ code, targets }) => targets.some((target) => target !== code));
    this.names = new Map(languages.map(({ code, name }) => [code, name]));
    this.refresh();
  }

  /** Write the options again, in the language of the page. */
  refresh() {
    const { source, target } = this;
    const options = (codes) =>
      codes
        .map((code) => [code, languageName(code, this.names?.get(code))])
        .sort((one, other) => one[1].localeCompare(other[1]))
        .map(([code, name]) => new Option(name, code));
    const auto = this.detected ? label("detected", { language: languageName(this.detected) }) : label("detect");
    this.sourceBox.replaceChildren(new Option(auto, AUTO), ...options(this.languages.map(({ code }) => code)));
    this.targetBox.replaceChildren(...options(this.targetsOf(AUTO)));
    this.set(source, target);
  }

  /** Choose these languages as far as they are there. */
  set(source, target) {
    this.sourceBox.value = this.languages.some(({ code }) => code === source) ? source : AUTO;
    const targets = this.targetsOf(this.source);
    this.targetBox.value = targets.includes(target) ? target : (targets[0] ?? "");
    this.#settled();
  }

  setDetected(language) {
    if (language !== this.detected) {
      this.detected = language;
      const auto = this.sourceBox.options[0];
      auto.textContent = language ? label("detected", { language: languageName(language) }) : label("detect");
    }
    this.#settled();
  }

  #sourcePicked(onChange) {
    const fitting = this.source === AUTO ? this.targetsOf(AUTO) : this.targetsOf(this.source);
    if (!fitting.includes(this.target)) {
      const { source } = this.before;
      this.targetBox.value = fitting.includes(source) ? source : (fitting[0] ?? "");
    }
    this.#settled();
    onChange();
  }

  #targetPicked(onChange) {
    if (this.source !== AUTO && (this.source === this.target || !this.serves(this.source, this.target))) {
      const wanted = this.before.target;
      this.sourceBox.value = wanted !== this.target && this.serves(wanted, this.target) ? wanted : AUTO;
    }
    this.#settled();
    onChange();
  }

  #settled() {
    this.before = { source: this.source, target: this.target };
    this.swapButton.disabled = !this.canSwap;
  }
}
