// A translation with its words: which words of the text each comes from, and how sure the model was.
//
// Places of the service count characters (code points); places here count as JavaScript's strings do.

const DOUBTFUL = 0.4; // a word is uncertain if a token of it was less likely

export function characterCount(text) {
	return [...text].length;
}

/** The words of a text as [start, end] pairs, without spaces and punctuation. */
export function wordsOf(text, language) {
	const words = [];
	for (const { segment, index, isWordLike } of segmenterOf(language).segment(text)) {
		if (isWordLike) {
			words.push([index, index + segment.length]);
		}
	}
	return words;
}

function segmenterOf(language) {
	try {
		return new Intl.Segmenter(language, { granularity: "word" });
	} catch {
		return new Intl.Segmenter(undefined, { granularity: "word" });
	}
}

/**
 * @param {object} answer of /translate with `alignment` and `scores`
 * @returns a reading: both texts and languages; its words [start, end]; for each the numbers of the source words it comes
 *   from (`from`) and the likelihood of its least likely token (`sure`, 1 if unknown); the source words and where they
 *   went (`into`); and its segments as {start, end, source}.
 */
export function readingOf(sourceText, sourceLanguage, answer, targetLanguage) {
	const text = answer.translatedText;
	const words = wordsOf(text, targetLanguage);
	const sourceWords = wordsOf(sourceText, sourceLanguage);
	const placeInText = placesOf(text);
	const placeInSource = placesOf(sourceText);
	const scores = tokenScores(answer.segments ?? []);
	const from = words.map(() => new Set());
	const sure = words.map(() => 1);
	for (const group of answer.align ?? []) {
		const sources = group.src.flatMap(({ range }) => touched(sourceWords, range.map(placeInSource)));
		for (const { range, id } of group.tgt) {
			for (const word of touched(words, range.map(placeInText))) {
				sources.forEach((source) => from[word].add(source));
				sure[word] = Math.min(sure[word], Math.exp(scores[id] ?? 0));
			}
		}
	}
	const segments = segmentsOf(text, answer);
	const languages = { source: sourceLanguage, target: targetLanguage };
	return completed({ ...languages, text, words, from, sure, sourceText, sourceWords, segments });
}

/** The reading with one segment changed to the reading of that segment alone. */
export function spliced(reading, number, changed) {
	const segment = reading.segments[number];
	const begin = sourcePlace(reading, number);
	const shift = changed.text.length - (segment.end - segment.start);
	const keeps = reading.words.map(([start, end]) => end <= segment.start || start >= segment.end);
	const first = reading.words.findIndex(([start]) => start >= segment.start);
	const before = first < 0 ? reading.words.length : first;
	const after = reading.words.findLastIndex((_, index) => !keeps[index]) + 1 || before;
	const moved = ([start, end], by) => [start + by, end + by];
	const shown = changed.from.map(
		(set) => new Set([...set].flatMap((word) => touched(reading.sourceWords, moved(changed.sourceWords[word], begin)))),
	);
	const replaced = (list, middle, later = (entry) => entry) => [
		...list.slice(0, before),
		...middle,
		...list.slice(after).map(later),
	];
	return completed({
		...reading,
		text: reading.text.slice(0, segment.start) + changed.text + reading.text.slice(segment.end),
		words: replaced(
			reading.words,
			changed.words.map((word) => moved(word, segment.start)),
			(word) => moved(word, shift),
		),
		from: replaced(reading.from, begin < 0 ? changed.from.map(() => new Set()) : shown),
		sure: replaced(reading.sure, changed.sure),
		segments: reading.segments.map((one, index) => ({
			...one,
			start: one.start + (index > number ? shift : 0),
			end: one.end + (index >= number ? shift : 0),
		})),
	});
}

export function isDoubtful(reading, word) {
	return reading.sure[word] < DOUBTFUL;
}

/** The number of the segment that holds this place, or -1. */
export function segmentAt(reading, place) {
	return reading.segments.findIndex(({ start, end }) => start <= place && place < end);
}

/** The number of the word at this place or just before it, or -1. */
export function wordAt(words, place) {
	return words.findIndex(([start, end]) => start <= place && place <= end);
}

function completed(reading) {
	const into = reading.sourceWords.map(() => new Set());
	reading.from.forEach((sources, word) => sources.forEach((source) => into[source].add(word)));
	return { ...reading, into };
}

function placesOf(text) {
	if (!/[\ud800-\udbff]/.test(text)) {
		return (place) => place;
	}
	const places = [];
	let place = 0;
	for (const character of text) {
		places.push(place);
		place += character.length;
	}
	return (count) => places[count] ?? text.length;
}

/** The numbers of the words that share a character with a range, in order. */
export function touched(words, [start, end]) {
	let low = 0;
	let high = words.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		if (words[middle][1] <= start) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	const found = [];
	for (let word = low; word < words.length && words[word][0] < end; word += 1) {
		found.push(word);
	}
	return found;
}

/** The scores of all tokens as the alignment numbers them: without the ends of the segments. */
function tokenScores(segments) {
	return segments.flatMap(({ tokens, finish_reason }) =>
		(finish_reason === "stop" ? tokens.slice(0, -1) : tokens).map(({ score }) => score),
	);
}

function segmentsOf(text, answer) {
	const found = [];
	let place = 0;
	for (const segment of answer.segments ?? []) {
		const start = text.indexOf(segment.text, place);
		if (start >= 0) {
			place = start + segment.text.length;
			found.push({ start, end: place, source: segment.source });
		}
	}
	return found;
}

/** Where the text of a segment begins in the source, or -1. */
function sourcePlace(reading, number) {
	let place = 0;
	for (const { source } of reading.segments.slice(0, number + 1)) {
		const begin = reading.sourceText.indexOf(source, place);
		if (begin < 0) {
			return -1;
		}
		place = begin + source.length; // the same sentence may come twice: each lies behind the one before
	}
	return place - reading.segments[number].source.length;
}
