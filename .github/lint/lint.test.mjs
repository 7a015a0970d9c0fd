// Each kind of mistake is seen, at its line, and a workflow without one is not complained of.

import assert from "node:assert/strict";
import { test } from "node:test";
import { lint } from "./lint.mjs";

const sound = `name: sound
on:
  schedule:
    - cron: "17 3 * * *"
permissions:
  contents: read
jobs:
  build:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8
      - run: echo "$REF"
        env: { REF: "\${{ github.ref }}" }
  after:
    needs: build
    runs-on: ubuntu-24.04
    steps: [{ run: "true" }]
`;

// The service remembers a file by its path.
let files = 0;
const lines = async (text) => (await lint(`workflows/${(files += 1)}.yml`, text)).map(([line]) => line);

test("a sound workflow has no problem", async () => assert.deepEqual(await lines(sound), []));

for (const [what, from, to, line] of [
  ["a key that there is not", "runs-on: ubuntu-24.04\n    steps:\n", "run-on: x\n    steps:\n", 9],
  ["a job that there is not", "needs: build", "needs: biuld", 15],
  ["an impossible time", "17 3 * * *", "77 3 * * *", 4],
  ["a context that there is not", "github.ref ", "githb.ref ", 13],
  ["a tag instead of a commit", "@08c6903cd8c0fde910a37f88322edcfb5dd907a8", "@v5", 11],
  ["no permissions", "permissions:\n  contents: read\n", "", 1],
  ["no YAML", "jobs:\n", "jobs: [\n", 9],
]) {
  test(what, async () => {
    const broken = sound.replace(from, to);
    assert.notEqual(broken, sound);
    const found = await lines(broken);
    assert.ok(found.includes(line), `line ${line} is not among ${found}`);
  });
}
