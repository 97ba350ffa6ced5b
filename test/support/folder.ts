/** A configuration folder for tests, made of texts and removed after the test. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A small entity type, so that a folder is complete. */
export const THING = 'entity: {id: thing, name: Thing, snapshot: true}\nattribs: {}\n';

/** Makes a folder with these files by their path in it; `db_entities/thing.yml` is there unless it is given (null: left out). */
export function makeFolder(files: Readonly<Record<string, string | Buffer | null>> = {}): string {
  const dir = mkdtempSync(join(tmpdir(), 'dp3-config-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  for (const [path, content] of Object.entries({ 'db_entities/thing.yml': THING, ...files })) {
    if (content === null) continue;
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), content);
  }
  return dir;
}
