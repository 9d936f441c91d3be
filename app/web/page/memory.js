// What the browser remembers; private windows may refuse to.

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
		return Array.isArray(found) ? found.filter(Boolean) : [];
	} catch {
		return [];
	}
}

export function rememberList(name, list) {
	remember(name, JSON.stringify(list));
}

/** A checkbox that stays off on this device once it was switched off. */
export function rememberSwitch(box, name, onChange) {
	box.checked = !remembered(name);
	box.addEventListener("change", () => {
		remember(name, box.checked ? "" : "off");
		onChange(box.checked);
	});
}
