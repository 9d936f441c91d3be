// Light or dark: as the system says, until somebody chooses.

import { remember, remembered } from "./memory.js";

const SYSTEM = window.matchMedia("(prefers-color-scheme: dark)");

function isDark() {
	const chosen = remembered("theme");
	return chosen ? chosen === "dark" : SYSTEM.matches;
}

export function applyTheme() {
	const dark = isDark();
	document.documentElement.dataset.theme = dark ? "dark" : "light";
	document.getElementById("theme")?.setAttribute("aria-pressed", String(dark));
}

export function startTheme(button) {
	button.addEventListener("click", () => {
		remember("theme", isDark() ? "light" : "dark");
		applyTheme();
	});
	SYSTEM.addEventListener("change", applyTheme);
}
