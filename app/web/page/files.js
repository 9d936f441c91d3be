// A file that is dropped or chosen: read into the box, or translated as a file.

import { byId } from "./elements.js";
import { characterCount } from "./reading.js";

const PLAIN = [".txt", ".text", ".md", ".markdown"];
const READABLE = [...PLAIN, ".html", ".htm", ".srt", ".vtt", ".csv", ".tsv", ".po", ".json", ".xml"];

export class Files {
	input = byId("file");
	formats = [];
	limit = 0; // characters; 0: not known

	/** @param hooks {text(text), upload(file), refuse(name, kinds), tooLong(name, count)} */
	constructor(hooks) {
		const { input } = this;
		this.hooks = hooks;
		byId("open-file").addEventListener("click", () => input.click());
		input.addEventListener("change", () => {
			this.#receiveAll([...input.files]);
			input.value = ""; // the same file again is a change too
		});
		this.#listenForDrops(byId("drop"));
	}

	configure(settings) {
		this.limit = settings.charLimit;
		this.formats = settings.filesTranslation ? settings.supportedFilesFormat.map((format) => format.toLowerCase()) : [];
		this.input.accept = this.kinds.join(",");
	}

	get kinds() {
		return [...new Set([...READABLE, ...this.formats])];
	}

	#receiveAll(files) {
		files.forEach((file) => this.#receive(file, files.length > 1));
	}

	/** @param isOneOfMany it does not go into the box then, where there is room for one */
	async #receive(file, isOneOfMany) {
		const suffix = /\.[^.]+$/.exec(file.name.toLowerCase())?.[0] ?? "";
		const isTranslated = this.formats.includes(suffix);
		if (isTranslated && (isOneOfMany || !PLAIN.includes(suffix))) {
			this.hooks.upload(file);
		} else if (!READABLE.includes(suffix) && !file.type.startsWith("text/")) {
			this.hooks.refuse(file.name, this.kinds);
		} else {
			const leastCount = Math.ceil(file.size / 4); // a character has at most four bytes
			const text = this.limit && leastCount > this.limit ? null : decoded(await file.arrayBuffer());
			const count = text === null ? leastCount : characterCount(text);
			if (!this.limit || count <= this.limit) {
				this.hooks.text(text);
			} else if (isTranslated) {
				this.hooks.upload(file);
			} else {
				this.hooks.tooLong(file.name, count);
			}
		}
	}

	#listenForDrops(overlay) {
		const hasFile = (event) => event.dataTransfer?.types.includes("Files");
		window.addEventListener("dragover", (event) => {
			if (hasFile(event)) {
				event.preventDefault();
				overlay.hidden = false;
			}
		});
		window.addEventListener("dragleave", (event) => {
			if (!event.relatedTarget) {
				overlay.hidden = true;
			}
		});
		window.addEventListener("drop", (event) => {
			overlay.hidden = true;
			if (hasFile(event)) {
				event.preventDefault();
				this.#receiveAll([...event.dataTransfer.files]);
			}
		});
	}
}

/** UTF-8, UTF-16 with its mark, else the Latin of old Windows. */
export function decoded(buffer) {
	const [first, second] = new Uint8Array(buffer, 0, Math.min(2, buffer.byteLength));
	if (first === 0xff && second === 0xfe) {
		return new TextDecoder("utf-16le").decode(buffer);
	}
	if (first === 0xfe && second === 0xff) {
		return new TextDecoder("utf-16be").decode(buffer);
	}
	try {
		return new TextDecoder("utf-8", { fatal: true }).decode(buffer);
	} catch {
		return new TextDecoder("windows-1252").decode(buffer);
	}
}
