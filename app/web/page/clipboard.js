// Copying, with a word to say that it was done.

import { announce, showNotice } from "./notice.js";
import { label } from "./page_language.js";

const CONFIRMED_MILLISECONDS = 1600;

/** `said`: the label of what is told then. */
export async function copyFrom(button, text, said) {
	if (await copied(text)) {
		announce(label(said));
		button.classList.add("confirmed");
		setTimeout(() => button.classList.remove("confirmed"), CONFIRMED_MILLISECONDS);
	} else {
		showNotice(() => ({ text: label("copy_failed") }), { error: true });
	}
}

async function copied(text) {
	try {
		await navigator.clipboard.writeText(text); // there only over HTTPS and on localhost
		return true;
	} catch {
		return copiedBySelection(text);
	}
}

function copiedBySelection(text) {
	const focused = document.activeElement;
	const box = document.createElement("textarea");
	box.value = text;
	box.className = "unseen";
	document.body.append(box);
	box.select();
	const done = document.execCommand("copy");
	box.remove();
	focused?.focus();
	return done;
}
