// What must be so before the first paint.

import { pageLanguage, translatePage } from "./page_language.js";
import { applyTheme } from "./theme.js";

applyTheme();
translatePage();
document.getElementById("page-language").value = pageLanguage();
