// Checks workflows and actions with GitHub's own language service, and by the rules of this repository: what
// others wrote is pinned to a commit, and a workflow says what it may do.
//
//   node lint.mjs FILE...      prints FILE:LINE:COLUMN: what is wrong; exit 1 if anything is

import { readFileSync } from "node:fs";
import { validate } from "@actions/languageservice";
import { TextDocument } from "vscode-languageserver-textdocument";

// What GitHub's service finds, as [line, column, message].
async function understood(file, text) {
  const found = await validate(TextDocument.create(`file:///${file}`, "yaml", 0, text), {});
  return found.map(({ range, message }) => [range.start.line + 1, range.start.character + 1, message]);
}

// A tag or branch can be moved to other code; a commit cannot.
function pinned(text) {
  return text.split("\n").flatMap((line, index) => {
    const used = /^\s*(?:- )?uses:\s*(\S+)/.exec(line)?.[1];
    const fine = !used || used.startsWith("./") || /@[0-9a-f]{40}$/.test(used);
    return fine ? [] : [[index + 1, 1, `${used} is not pinned to a commit`]];
  });
}

// Without it a token may do what the repository's settings say.
function permitted(file, text) {
  if (!file.includes("workflows/") || /^permissions:/m.test(text)) return [];
  return [[1, 1, "no `permissions` at the top: say what the jobs may do"]];
}

/// All that is wrong with a workflow (its path has `workflows/` in it) or an action.
export async function lint(file, text) {
  return [...(await understood(file, text)), ...pinned(text), ...permitted(file, text)];
}

const files = process.argv.slice(2);
let problems = 0;
for (const file of files) {
  for (const [line, column, message] of await lint(file, readFileSync(file, "utf8"))) {
    console.log(`${file}:${line}:${column}: ${message}`);
    problems += 1;
  }
}
if (files.length > 0) console.log(`${files.length} files, ${problems} problems`);
process.exitCode = problems > 0 ? 1 : 0;
