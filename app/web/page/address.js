// Languages and text in the part of the address behind "#", which browsers do not send to any server.

const MAX_TEXT = 4000; // longer addresses are cut by some programs that pass links on

/** Also understands LibreTranslate's page (?source=en&target=fr&q=...). */
export function readAddress() {
	const found = new URLSearchParams(location.hash.slice(1) || location.search);
	return {
		source: found.get("source") ?? "",
		target: found.get("target") ?? "",
		text: found.get("text") ?? found.get("q") ?? "",
	};
}

export function writeAddress({ source, target, text }) {
	const values = new URLSearchParams({ source, target });
	if (text && fitsAddress(text)) {
		values.set("text", text);
	}
	history.replaceState(null, "", `${location.pathname}#${values}`);
}

export function fitsAddress(text) {
	return text.length <= MAX_TEXT;
}
