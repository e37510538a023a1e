// Things in a text that somebody should look at: notes to do something later, and what may be a secret.

const notes = ["TO" + "DO", "FIX" + "ME", "HA" + "CK", "X" + "XX"];
const note = new RegExp(`\\b(${notes.join("|")})\\b[:( ]?(.*)`);

/** `[{kind, line, text}]`: only in comments, so `comments` says which lines those are. */
export function notesOf(lines, kinds, prose) {
  const found = [];
  for (const [i, line] of lines.entries()) {
    const match = note.exec(line);
    if (!match || (!prose && kinds[i] === "code" && !/\/\/|\/\*|#|--|<!--/.test(line.slice(0, match.index)))) continue;
    found.push({ kind: match[1], line: i + 1, text: match[2].trim().slice(0, 100) });
  }
  return found;
}

const shapes = [
  ["private key", /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/],
  ["AWS access key", /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/],
  ["GitHub token", /\bgh[pousr]_[A-Za-z0-9]{36,}\b/],
  ["Slack token", /\bxox[abprs]-[A-Za-z0-9-]{10,}/],
  ["Google API key", /\bAIza[0-9A-Za-z_-]{35}\b/],
  ["Anthropic key", /\bsk-ant-[A-Za-z0-9_-]{20,}/],
  ["OpenAI key", /\bsk-(?:proj-)?[A-Za-z0-9]{32,}\b/],
  ["Stripe key", /\b[rs]k_live_[0-9a-zA-Z]{20,}/],
  ["JSON web token", /\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}/],
  ["password in an address", /\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@"'${}<]+:[^\s:/@"'${}<]{6,}@[\w.-]+/],
];
const assigned = /\b[\w-]*(?:api[_-]?key|secret|token|passw(?:or)?d)\b["']?\s*[:=]\s*["']([A-Za-z0-9+/_=-]{20,})["']/i;

/** `[{kind, line, text}]`; of what was found, only the beginning is shown. */
export function secretsOf(lines) {
  const found = [];
  for (const [i, line] of lines.entries()) {
    if (line.length > 5000) continue;
    const shape = shapes.find(([, pattern]) => pattern.test(line));
    if (shape) found.push({ kind: shape[0], line: i + 1, text: shown(shape[1].exec(line)[0]) });
    else {
      const value = assigned.exec(line)?.[1];
      if (value && bitsPerCharacter(value) > 3.8 && !/example|dummy|test|sample|placeholder|xxxx/i.test(value)) {
        found.push({ kind: "assigned secret", line: i + 1, text: shown(value) });
      }
    }
  }
  return found;
}

const shown = (text) => `${text.slice(0, 6)}… (${text.length} characters)`;

/** Shannon's entropy: words of a language have about 3, random keys over 4. */
function bitsPerCharacter(text) {
  const counts = new Map();
  for (const c of text) counts.set(c, (counts.get(c) ?? 0) + 1);
  let bits = 0;
  for (const n of counts.values()) bits -= (n / text.length) * Math.log2(n / text.length);
  return bits;
}
