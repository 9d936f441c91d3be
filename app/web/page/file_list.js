// Files that are translated one after the other, with the progress of each.

import { byId, make, makeButton } from "./elements.js";
import { announce } from "./notice.js";
import { label, languageName, numeral } from "./page_language.js";
import { Problem, cancelDocument, documentResult, documentStatus, keyOfProblem, uploadDocument } from "./service.js";

const POLL_MILLISECONDS = 500;
const LONGEST_POLL_MILLISECONDS = 3000;

export class FileList {
	#last = Promise.resolve();
	box = byId("files");
	list = byId("file-rows");

	/** @param hooks {key(): string, onKey()}: the key for a request, and a key is missing or wrong */
	constructor(hooks) {
		this.hooks = hooks;
	}

	/** @param languages {source, target}; the source may be "auto" */
	add(file, languages) {
		const row = new FileRow(file, languages, {
			remove: () => this.#remove(row),
			again: () => this.#start(row),
		});
		this.list.append(row.element);
		this.box.hidden = false;
		this.#start(row);
	}

	#start(row) {
		row.stop = new AbortController();
		row.show("file_waiting", { runs: true });
		this.#last = this.#last.then(() => this.#translate(row));
	}

	async #translate(row) {
		const { signal } = row.stop;
		try {
			if (!signal.aborted) {
				row.finish(await this.#translated(row, signal));
				announce(`${row.file.name}: ${row.status.textContent}`);
			}
		} catch (error) {
			if (!signal.aborted) {
				const found = error instanceof Problem ? error : new Problem("server", String(error));
				row.fail(found);
				announce(row.status.textContent);
				if (found.kind === "key") {
					this.hooks.onKey();
				}
			}
		}
	}

	async #translated(row, signal) {
		row.show("file_upload", { runs: true });
		const key = this.hooks.key();
		const document = await patient(() => uploadDocument(row.file, row.languages, key, signal), row, signal);
		signal.onabort = () => cancelDocument(document, key).catch(() => {});
		let pause = POLL_MILLISECONDS;
		for (;;) {
			const state = await patient(() => documentStatus(document, key, signal), row, signal);
			if (state.status === "done") {
				signal.onabort = null;
				return patient(() => documentResult(document, key, signal), row, signal);
			}
			if (state.status === "error") {
				throw new Problem("refused", state.error_message);
			}
			row.showProgress(state);
			await sleep(pause, signal);
			pause = Math.min(1.5 * pause, LONGEST_POLL_MILLISECONDS);
		}
	}

	#remove(row) {
		row.stop.abort();
		row.element.remove();
		URL.revokeObjectURL(row.link.href);
		this.box.hidden = !this.list.children.length;
		(this.list.querySelector("button") ?? byId("open-file")).focus();
	}
}

class FileRow {
	#since = 0;

	constructor(file, languages, hooks) {
		Object.assign(this, { file, languages });
		const { source, target } = languages;
		const pair = `${source === "auto" ? label("detect") : languageName(source)} → ${languageName(target)}`;
		this.status = make("span", { class: "small status" });
		this.bar = make("progress", { "aria-label": file.name });
		this.link = make("a", {}, label("file_get"));
		this.again = makeButton({}, label("try_again"), hooks.again);
		this.end = makeButton({}, "", hooks.remove);
		const about = make("span", { class: "small" }, `${sizeOf(file)} · ${pair}`);
		const name = make("strong", {}, file.name);
		this.element = make("li", {}, name, about, this.bar, this.status, this.link, this.again, this.end);
	}

	show(key, { runs = false, fails = false, values = {} } = {}) {
		this.status.textContent = label(key, values);
		this.status.classList.toggle("over", fails);
		this.bar.hidden = !runs;
		this.link.hidden = true;
		this.again.hidden = !fails;
		this.end.textContent = label(runs ? "cancel" : "remove");
		this.end.setAttribute("aria-label", `${this.end.textContent}: ${this.file.name}`);
	}

	/** The time that is left is the service's estimate; the bar never goes back. */
	showProgress({ status, seconds_remaining: seconds }) {
		const isRunning = status === "translating";
		this.#since ||= isRunning ? performance.now() : 0;
		const [value, unit] = seconds > 90 ? [Math.ceil(seconds / 60), "minute"] : [seconds ?? 0, "second"];
		const time = numeral(value, { style: "unit", unit, unitDisplay: "long" });
		this.show(isRunning ? (seconds ? "file_left" : "file_runs") : "file_waiting", { runs: true, values: { time } });
		if (seconds) {
			const spent = (performance.now() - this.#since) / 1000;
			this.bar.value = Math.max(this.bar.position, spent / (spent + seconds));
		}
	}

	finish(blob) {
		this.show("file_ready");
		const suffix = /\.[^.]*$/.exec(this.file.name)?.[0] ?? "";
		const stem = this.file.name.slice(0, this.file.name.length - suffix.length);
		this.link.href = URL.createObjectURL(blob);
		this.link.download = `${stem}_${this.languages.target}${suffix}`;
		this.link.setAttribute("aria-label", `${label("file_get")}: ${this.link.download}`);
		this.link.hidden = false;
	}

	fail(problem) {
		this.#since = 0;
		this.bar.removeAttribute("value");
		this.show(keyOfProblem(problem), { fails: true, values: problem });
	}
}

/** A request that is sent again while the service is busy or does not answer. */
async function patient(request, row, signal) {
	for (;;) {
		try {
			return await request();
		} catch (error) {
			if (!["busy", "away"].includes(error.kind)) {
				throw error;
			}
			const seconds = error.retrySeconds || 3;
			row.show(keyOfProblem(error, true), { runs: true, values: { seconds } });
			await sleep(1000 * seconds, signal);
		}
	}
}

function sleep(milliseconds, signal) {
	return new Promise((wake, fail) => {
		setTimeout(wake, milliseconds);
		signal.addEventListener("abort", () => fail(signal.reason), { once: true });
	});
}

function sizeOf({ size }) {
	const [value, unit] = size < 1e6 ? [size / 1000, "kilobyte"] : [size / 1e6, "megabyte"];
	return numeral(value, { style: "unit", unit, maximumSignificantDigits: 2 });
}
