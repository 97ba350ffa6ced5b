import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { PrimaryLog } from '../../lib/primary/log.js';

const LOGGING = { level: 'error', format: 'json', maxBytes: 1_000_000, maxFiles: 2 } as const;

it('writes as it is told last', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'dp3-log-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const log = new PrimaryLog({ ...LOGGING, file: join(folder, 'old') });
  log.info('below the level');
  log.error('one');
  log.reopen({ ...LOGGING, level: 'info', file: join(folder, 'new') });
  log.info('two');
  await log.close();
  const files = readdirSync(folder).filter((name) => name.endsWith('.log'));
  const messages = files
    .sort()
    .map((name) => [name.split('.')[0], readFileSync(join(folder, name), 'utf8').match(/"message":"[^"]+"/g)]);
  expect(messages).toEqual([
    ['new', ['"message":"two"']],
    ['old', ['"message":"one"']],
  ]);
});
