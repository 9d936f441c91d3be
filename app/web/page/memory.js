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

/** A list kept as JSON; empty where there is none, or something else. */
export function rememberedList(name) {
	try {
		const found = JSON.parse(remembered(name));
		return Array.isArray(found) ? found : [];
	} catch {
		return [];
	}
}

export function rememberList(name, list) {
	remember(name, JSON.stringify(list));
}

export function forget(name) {
	try {
		localStorage.removeItem(`passerelle.${name}`);
	} catch {
		// nothing was remembered
	}
}

/** A checkbox that stays off on this device once it was switched off. */
export function rememberSwitch(box, name, onChange) {
	box.checked = !remembered(name);
	box.addEventListener("change", () => {
		if (box.checked) {
			forget(name);
		} else {
			remember(name, "off");
		}
		onChange(box.checked);
	});
}
