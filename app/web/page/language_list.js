// The list of languages under a button, with a box to search it: the "combobox" pattern of ARIA.

import { label, languageName, nativeName, numeral } from "./page_language.js";

const PAGE_STEP = 8;
const STEPS = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE_STEP, PageUp: -PAGE_STEP };

export class LanguageList {
  #anchor = null;
  #groups = [];
  #items = [];
  #active = -1;
  #onChoose = null;

  constructor(box, search, list, status) {
    Object.assign(this, { box, search, list, status });
    search.addEventListener("input", () => this.#fill());
    box.addEventListener("keydown", (event) => this.#onKey(event));
    box.addEventListener("focusout", ({ relatedTarget: next }) => next && !box.contains(next) && this.close(false));
    list.addEventListener("click", ({ target }) => this.#choose(this.#items.indexOf(target.closest("[role=option]"))));
    list.addEventListener("pointermove", ({ target }) => {
      const item = this.#items.indexOf(target.closest("[role=option]"));
      if (item >= 0) {
        this.#activate(item, false);
      }
    });
    document.addEventListener("pointerdown", ({ target }) => {
      if (this.#anchor && !box.contains(target) && !this.#anchor.contains(target)) {
        this.close(false);
      }
    });
  }

  get anchor() {
    return this.#anchor;
  }

  /**
   * Show the list under a button.
   *
   * @param groups {head, options} of each; an option is {code, name, served} (its name from the service)
   * @param more {name: of the list, chosen: the code that is chosen now, typed: first letter of a search}
   */
  open(anchor, groups, { name, chosen, typed = "" }, onChoose) {
    this.close(false);
    this.#anchor = anchor;
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
    const anchor = this.#anchor;
    if (!anchor) {
      return;
    }
    this.#anchor = null; // first, because the focus leaves now
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
    const text = count ? label("picker_count", { count: numeral(count) }) : label("picker_none", { text: this.search.value });
    this.status.textContent = wanted ? text : "";
    this.status.classList.toggle("unseen", count > 0);
    const chosen = this.#items.findIndex(({ dataset }) => dataset.code === this.chosen);
    this.#activate(wanted ? 0 : Math.max(0, chosen), true);
  }

  #groupOf({ head, options }) {
    const group = document.createElement("div");
    group.setAttribute("role", "group");
    if (head) {
      group.setAttribute("aria-label", head);
      group.append(part("p", "picker-head", head));
      group.firstChild.setAttribute("aria-hidden", "true");
    }
    for (const { code, name, native } of options) {
      const item = part("div", "picker-option", name);
      item.id = `language-${this.#items.length}`;
      item.dataset.code = code;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", String(code === this.chosen));
      if (native && native !== name) {
        item.append(" ", part("span", "picker-native", native));
        item.lastChild.lang = code;
        item.lastChild.dir = "auto";
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
    const last = this.#items.length - 1;
    const isTyping = event.target === this.search;
    if (event.isComposing) {
      return; // the keys belong to an input method
    }
    if (event.key === "Escape" || event.key === "Tab") {
      this.close(true);
    } else if (event.key === "Enter") {
      this.#choose(this.#active);
    } else if (event.key in STEPS) {
      const next = this.#active + STEPS[event.key];
      const isStep = Math.abs(STEPS[event.key]) === 1; // a step goes round, a page stops at the end
      this.#activate(isStep ? (next + last + 1) % (last + 1) : Math.max(0, Math.min(last, next)), true);
    } else if (!isTyping && (event.key === "Home" || event.key === "End")) {
      this.#activate(event.key === "Home" ? 0 : last, true);
    } else {
      if (!isTyping && isLetter(event)) {
        this.search.focus();
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
  return { code, name, native, keys: [name, native, served, languageName(code, "")].map(plain) };
}

/** In small letters, without accents. */
function plain(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

/** Those that match, the best first: by code, by the beginning of a name, of a word in it, or by any part. */
function found(options, wanted) {
  const rank = ({ code, keys }) => {
    if (plain(code) === wanted) {
      return 0;
    }
    if (keys.some((key) => key.startsWith(wanted))) {
      return 1;
    }
    if (plain(code).startsWith(wanted) || keys.some((key) => key.includes(` ${wanted}`) || key.includes(`(${wanted}`))) {
      return 2;
    }
    return keys.some((key) => key.includes(wanted)) ? 3 : 4;
  };
  return options
    .map((option) => [rank(option), option])
    .filter(([place]) => place < 4)
    .sort(([one], [other]) => one - other)
    .map(([, option]) => option);
}

function part(tag, kind, text) {
  const element = document.createElement(tag);
  element.className = kind;
  element.textContent = text;
  return element;
}
