// What the service is asked. Addresses are relative to the page.

/** A request that failed. `kind`: away, broken, busy, key, late, refused or server. */
export class Problem extends Error {
	constructor(kind, message = "", retrySeconds = 0) {
		super(message);
		this.kind = kind;
		this.retrySeconds = retrySeconds;
	}
}

/** The label that says what is wrong. */
export function keyOfProblem({ kind = "server" }, retries) {
	return kind === "busy" && !retries ? "error_busy_long" : `error_${kind}`;
}

export async function frontendSettings() {
	return (await ask("frontend/settings")).json();
}

export async function languages() {
	return (await ask("languages")).json();
}

/**
 * `onDelta` gets each piece of text as it becomes final. With a glossary there are none, because only the header of a whole
 * answer names the terms without a certain place: `unplaced`, or "".
 */
export async function translate(body, signal, onDelta) {
	const answer = await post({ ...body, stream: !body.glossary }, signal);
	if (!answer.headers.get("content-type")?.startsWith("text/event-stream")) {
		const reason = answer.headers.get("x-finish-reason");
		const whole = { ...(await answer.json()), ...(reason && { finish_reason: reason }) };
		return { answer: whole, unplaced: answer.headers.get("x-glossary-unplaced") ?? "" };
	}
	let whole = null;
	for await (const { name, data } of eventsOf(answer.body)) {
		if (name === "delta") {
			onDelta(data.text);
		} else if (name === "error") {
			throw new Problem("server", data.error);
		} else if (name === "done") {
			whole = data;
		}
	}
	if (!whole) {
		throw new Problem("broken");
	}
	return { answer: whole, unplaced: "" };
}

/** The whole answer at once. */
export async function translateAtOnce(body, signal) {
	return (await post(body, signal)).json();
}

/** Whether the service answers at all. */
export async function isAlive() {
	try {
		return Boolean(await ask("health"));
	} catch {
		return false;
	}
}

/** @returns {document_id, document_key} for the two requests below */
export async function uploadDocument(file, { source, target }, key, signal) {
	const body = new FormData();
	body.append("target_lang", target);
	if (source !== "auto") {
		body.append("source_lang", source);
	}
	body.append("file", file);
	return (await ask("v2/document", { method: "POST", headers: withKey(key), body, signal })).json();
}

/** @returns `status` (queued, translating, done or error) and, at times, `seconds_remaining` */
export async function documentStatus(found, key, signal) {
	return (await askDocument(found, "", key, signal)).json();
}

/** The translated file, which the service deletes then. */
export async function documentResult(found, key, signal) {
	return (await askDocument(found, "/result", key, signal)).blob();
}

export function cancelDocument(found, key) {
	return askDocument(found, "", key, null, "DELETE");
}

function askDocument({ document_id, document_key }, path, key, signal, method = "POST") {
	const headers = { ...withKey(key), "Content-Type": "application/json" };
	const body = JSON.stringify({ document_key });
	return ask(`v2/document/${document_id}${path}`, { method, headers, body, signal });
}

/** Documents want some key even where the service has none. */
function withKey(key) {
	return { Authorization: `DeepL-Auth-Key ${key || "page"}` };
}

function post(body, signal) {
	const headers = { "Content-Type": "application/json" };
	return ask("translate", { method: "POST", headers, body: JSON.stringify(body), signal });
}

async function ask(address, options = {}) {
	let answer;
	try {
		answer = await fetch(address, { credentials: "same-origin", ...options });
	} catch (error) {
		throw error.name === "AbortError" ? error : new Problem("away");
	}
	if (!answer.ok) {
		throw await problemOf(answer);
	}
	return answer;
}

async function problemOf(answer) {
	let message = `${answer.status} ${answer.statusText}`.trim();
	try {
		const { error, message: said, detail } = await answer.json();
		message = error ?? ([said, detail].filter(Boolean).join(": ") || message);
	} catch {
		// a proxy may answer with a page
	}
	const retrySeconds = Number.parseInt(answer.headers.get("retry-after") ?? "", 10) || 0;
	if (answer.status === 429 || (answer.status === 503 && retrySeconds)) {
		return new Problem("busy", message, retrySeconds);
	}
	if (answer.status === 502 || answer.status === 503) {
		return new Problem("away", message);
	}
	if (answer.status === 401 || answer.status === 403) {
		return new Problem("key", message);
	}
	if (answer.status === 504) {
		return new Problem("late", message);
	}
	return new Problem(answer.status < 500 ? "refused" : "server", message);
}

/** Server-sent events of this service: a name and one line of JSON each. */
async function* eventsOf(stream) {
	const reader = stream.getReader();
	const decoder = new TextDecoder();
	let rest = "";
	for (;;) {
		let read;
		try {
			read = await reader.read();
		} catch (error) {
			throw error.name === "AbortError" ? error : new Problem("broken");
		}
		if (read.done) {
			return;
		}
		const blocks = (rest + decoder.decode(read.value, { stream: true })).split("\n\n");
		rest = blocks.pop();
		for (const block of blocks) {
			const event = /^event: (\w+)\ndata: (.*)$/s.exec(block);
			if (event) {
				yield { name: event[1], data: JSON.parse(event[2]) };
			}
		}
	}
}
