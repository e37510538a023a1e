/** What all pages have in common. */

import { html } from "hono/html";
import type { Markup } from "./schema.ts";

/** `/reference.css`: a file of its own, since pages may have no style within. */
export const stylesheet = `
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; display: flex; align-items: flex-start; }
nav { position: sticky; top: 0; height: 100vh; overflow: auto; flex: 0 0 17rem; padding: 1rem; border-right: 1px solid var(--line); font-size: 14px; }
nav ul { list-style: none; padding-left: 1rem; margin: .25rem 0 .75rem; }
main { flex: 1; min-width: 0; max-width: 60rem; padding: 1rem 2rem 6rem; }
section { border-top: 1px solid var(--line); padding-bottom: 1rem; }
h2 { margin-top: 3rem; } h3 { margin: 1rem 0 .25rem; } h4 { margin: 1rem 0 .25rem; }
p { margin: .25rem 0; }
code { font: 13px/1.5 ui-monospace, monospace; background: var(--soft); border-radius: 3px; padding: 1px 3px; overflow-wrap: anywhere; }
.call { font-size: 1.1rem; }
table { border-collapse: collapse; width: 100%; margin: .25rem 0; }
th, td { text-align: left; vertical-align: top; padding: .25rem .5rem; border-top: 1px solid var(--soft); }
th { width: 1%; white-space: nowrap; font-weight: normal; }
:target { scroll-margin-top: 1rem; outline: 2px solid #48f8; outline-offset: 4px; }
@media (max-width: 50rem) { body { display: block; } nav { position: static; height: auto; border: 0; } main { padding: 1rem; } }
`;

export const layout = (title: string, content: Markup): Markup => html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title><link rel="stylesheet" href="/reference.css"></head>
<body>${content}</body></html>
`;
