// Elements of the page: found by their id, or made.

export const byId = (id) => document.getElementById(id);

export function make(tag, attributes, ...content) {
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes)) {
		element.setAttribute(name, value);
	}
	element.append(...content);
	return element;
}

export function makeButton(attributes, text, act) {
	const button = make("button", attributes, text);
	button.addEventListener("click", act);
	return button;
}
