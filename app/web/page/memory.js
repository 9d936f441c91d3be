// What the browser remembers. It may refuse to (private windows), and then nothing is remembered.

export function remembered(name, storage = "localStorage") {
  try {
    return window[storage].getItem(`passerelle.${name}`) ?? "";
  } catch {
    return "";
  }
}

export function remember(name, value, storage = "localStorage") {
  try {
    window[storage].setItem(`passerelle.${name}`, value);
  } catch {
    // not remembered
  }
}
