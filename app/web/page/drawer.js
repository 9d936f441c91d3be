// The last request as a command, and its answer.

const drawer = document.getElementById("drawer");
const requestBox = document.getElementById("request");
const answerBox = document.getElementById("answer");
const WIDTH = 76;

let shown = null;
drawer.addEventListener("toggle", fill);

export function showExchange(body, answer) {
	shown = { body, answer };
	fill();
}

function fill() {
	if (drawer.open && shown) {
		requestBox.textContent = curlOf(shown.body);
		answerBox.textContent = pretty(shown.answer);
	}
}

function curlOf(body) {
	const said = "api_key" in body ? { ...body, api_key: "…" } : body;
	const quoted = pretty(said).replaceAll("'", "'\\''");
	const address = new URL("translate", document.baseURI).href;
	return `curl ${address} \\\n  -H 'Content-Type: application/json' \\\n  -d '${quoted}'`;
}

/** JSON with a line for what fits on one. */
function pretty(value, indent = "") {
	if (value === null || typeof value !== "object") {
		return JSON.stringify(value);
	}
	const inner = `${indent}  `;
	const isList = Array.isArray(value);
	const parts = isList
		? value.map((entry) => pretty(entry, inner))
		: Object.entries(value).map(([name, entry]) => `${JSON.stringify(name)}: ${pretty(entry, inner)}`);
	const [open, close] = isList ? "[]" : "{}";
	const line = open + parts.join(", ") + close;
	if (line.length + indent.length <= WIDTH && !line.includes("\n")) {
		return line;
	}
	return `${open}\n${inner}${parts.join(`,\n${inner}`)}\n${indent}${close}`;
}
