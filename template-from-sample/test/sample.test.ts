/** The data-points of the sample with the real configuration, model and modules, in memory. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { openApplication } from 'dp3-cluster/testing';

const lines = readFileSync('points.jsonl', 'utf8').split('\n').slice(0, 500);

test('data-points of the sample become records', async () => {
  const app = await openApplication();
  try {
    for (const line of lines.filter((text) => text !== '')) {
      const { type, id, ...point } = JSON.parse(line);
      await app.process(app.task(type, id, [point]));
      assert.ok(app.record(type, id), line);
    }
  } finally {
    await app.close();
  }
});
