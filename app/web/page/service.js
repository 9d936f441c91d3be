// What the service is asked. Addresses are relative to the page.

/** A request that failed. `kind`: away, broken, busy, key, late, refused or server. */
export class Problem extends Error {
  constructor(kind, message = "", retrySeconds = 0) {
    super(message);
    this.kind = kind;
    this.retrySeconds = retrySeconds;
  }
}

export async function frontendSettings() {
  return (await ask("frontend/settings")).json();
}

export async function languages() {
  return (await ask("languages")).json();
}

/** The whole answer; `onDelta` gets each piece of text as it becomes final. */
export async function translate(body, signal, onDelta) {
  const answer = await post({ ...body, stream: true }, signal);
  if (!answer.headers.get("content-type")?.startsWith("text/event-stream")) {
    return answer.json();
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
  return whole;
}

/** The whole answer at once. */
export async function translateAtOnce(body, signal) {
  return (await post(body, signal)).json();
}

/** @returns {Promise<string>} the address of the translated file */
export async function translateFile(file, source, target, key) {
  const body = new FormData();
  body.append("file", file);
  body.append("source", source);
  body.append("target", target);
  if (key) {
    body.append("api_key", key);
  }
  const { translatedFileUrl } = await (await ask("translate_file", { method: "POST", body })).json();
  const address = new URL(translatedFileUrl, document.baseURI);
  if (!["http:", "https:"].includes(address.protocol)) {
    throw new Problem("broken");
  }
  return address.href;
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
    message = (await answer.json()).error ?? message;
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

/** Server-sent events as this service writes them: a name and one line of JSON each. */
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
