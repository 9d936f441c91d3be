// One translation at a time: the newest. An older one that still runs is given up.

import { Problem, translate } from "./service.js";

const MAX_ATTEMPTS = 5;
const MAX_RETRY_SECONDS = 60;

export class Session {
	#timer = 0;
	#running = null;
	#attempts = 0;

	/** @param hooks {body, begin, delta, done, problem, idle}; `body` makes the request */
	constructor(hooks) {
		this.hooks = hooks;
	}

	/** Translate what there is in so many milliseconds, unless this is called again before. */
	schedule(milliseconds) {
		this.stop();
		this.#attempts = 0;
		this.#timer = setTimeout(() => this.#run(), milliseconds);
	}

	stop() {
		clearTimeout(this.#timer);
		this.#running?.abort();
		this.#running = null;
	}

	async #run() {
		const body = this.hooks.body();
		const running = new AbortController();
		const isNewest = () => this.#running === running;
		this.#running = running;
		this.hooks.begin();
		let found = null;
		let problem = null;
		try {
			found = await translate(body, running.signal, (text) => isNewest() && this.hooks.delta(text));
		} catch (error) {
			problem = error;
		}
		if (isNewest()) {
			this.#running = null; // first, because `done` may schedule the next
			this.hooks.idle();
			if (problem) {
				this.#onProblem(problem);
			} else {
				this.hooks.done(found.answer, body, found.unplaced);
			}
		}
	}

	#onProblem(problem) {
		const known = problem instanceof Problem ? problem : new Problem("server", String(problem));
		this.#attempts += 1;
		const { kind, retrySeconds: seconds } = known;
		const retries = kind === "busy" && seconds > 0 && seconds <= MAX_RETRY_SECONDS && this.#attempts < MAX_ATTEMPTS;
		if (retries) {
			this.#timer = setTimeout(() => this.#run(), 1000 * seconds);
		}
		this.hooks.problem(known, retries);
	}
}
