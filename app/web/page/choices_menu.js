// Other words for one of the translation: a menu under it.

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
    this.#anchor = anchor;
    this.box.setAttribute("aria-label", label("choices", { word: anchor.textContent }));
    this.#fill([this.#line(label("choices_wait"))]);
    anchor.setAttribute("aria-expanded", "true");
  }

  /** @param choices {word, share, text} of each; @param onChoose gets the number of one */
  show(choices, onChoose) {
    const items = choices.map(({ word, share, text }, number) => {
      const item = document.createElement("button");
      item.type = "button";
      item.tabIndex = -1;
      item.setAttribute("role", "menuitem");
      const name = part("choice-word", word || label("choice_end"));
      const meter = part("choice-share", share);
      item.append(name, meter, part("choice-text", text));
      item.addEventListener("click", () => {
        this.close(true);
        onChoose(number);
      });
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
  const element = document.createElement("span");
  element.className = kind;
  element.textContent = text;
  return element;
}
