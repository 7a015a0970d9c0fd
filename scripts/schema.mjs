// scripts/schema.mjs MIGRATIONS <ROWS: what a database has (the answer of `wrangler d1 execute --json` to
// "SELECT type, name, sql FROM sqlite_schema") against what the migrations in the folder make of an empty
// one. Ends with 1 and a line for each difference.
import fs from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";

const [folder] = process.argv.slice(2);
const database = new DatabaseSync(":memory:");
for (const file of fs.readdirSync(folder).sort()) {
  database.exec(fs.readFileSync(path.join(folder, file), "utf8"));
}
// The platform's own, and what SQLite makes by itself.
const ours = ({ name }) => !/^(sqlite_|_cf_|d1_migrations$)/.test(name);
const plain = (sql) => (sql ?? "").replace(/--[^\n]*/g, " ").replace(/\s+/g, " ").trim();
const described = (rows) =>
  new Map(rows.filter(ours).map(({ type, name, sql }) => [`${type} ${name}`, plain(sql)]));

const made = described(database.prepare("SELECT type, name, sql FROM sqlite_schema").all());
const there = described(JSON.parse(fs.readFileSync(0))[0].results);
const lines = [];
for (const [name, sql] of made) {
  if (!there.has(name)) lines.push(`${name} is missing`);
  else if (there.get(name) !== sql) lines.push(`${name} is\n  ${there.get(name)}\nand should be\n  ${sql}`);
}
for (const name of there.keys()) if (!made.has(name)) lines.push(`${name} is there, and no migration makes it`);
for (const line of lines) console.error(line);
process.exitCode = lines.length === 0 ? 0 : 1;
