import { chmodSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { environmentNames, indexOfName, openFolder, readFolder } from '../../lib/embedded/folder.js';
import { dataFolder, SETTINGS } from '../support/data-folder.js';

it('makes a folder that only its owner can read, and finds it again', () => {
  const { path } = dataFolder();
  expect(statSync(path).mode & 0o777).toBe(0o700);
  expect(statSync(join(path, 'meta.json')).mode & 0o777).toBe(0o600);
  expect(openFolder(path, SETTINGS)).toMatchObject({ path, ...SETTINGS });
  expect(readFolder(path)).toMatchObject({ path, ...SETTINGS });
  expect(readdirSync(path)).toEqual(['meta.json']);
});

it('makes folders above it too', () => {
  const { path } = dataFolder();
  expect(openFolder(join(path, 'a', 'b'), SETTINGS).path).toBe(join(path, 'a', 'b'));
});

it.each([
  ['num_processes', { ...SETTINGS, numProcesses: 5 }, 'num_processes 3, configured is 5: set num_processes to 3'],
  ['delivery', { ...SETTINGS, delivery: 'at-most-once' }, 'set delivery to effectively-once'],
])('refuses another %s and says how to change it', (_, settings, sentence) => {
  const { path } = dataFolder();
  expect(() => openFolder(path, settings)).toThrow(expect.objectContaining({ code: 'STORE_MISMATCH' }));
  expect(() => openFolder(path, settings)).toThrow(sentence);
});

it('refuses a folder of another format', () => {
  const { path } = dataFolder();
  writeFileSync(join(path, 'meta.json'), '{"format":3,"num_processes":3,"delivery":"effectively-once"}');
  expect(() => openFolder(path, SETTINGS)).toThrow(expect.objectContaining({ code: 'STORE_MISMATCH' }));
});

it.each(['', '{', 'null', '[]', '{"format":1}', '{"format":1,"num_processes":"3","delivery":"x"}'])(
  'says that its own description is damaged: %s',
  (text) => {
    const { path } = dataFolder();
    writeFileSync(join(path, 'meta.json'), text);
    expect(() => openFolder(path, SETTINGS)).toThrow(expect.objectContaining({ code: 'STORE_FAILED' }));
  },
);

it('says that it cannot be used where a file is in the way', () => {
  const { path } = dataFolder();
  const inTheWay = join(path, 'meta.json', 'below');
  expect(() => openFolder(inTheWay, SETTINGS)).toThrow(expect.objectContaining({ code: 'STORE_FAILED' }));
  expect(() => openFolder(inTheWay, SETTINGS)).toThrow(inTheWay);
});

it('refuses a folder that other users may write to, and says how to change that', () => {
  const { path } = dataFolder();
  chmodSync(path, 0o770);
  expect(() => openFolder(path, SETTINGS)).toThrow(expect.objectContaining({ code: 'STORE_FAILED' }));
  expect(() => openFolder(path, SETTINGS)).toThrow(`may write to ${path} (mode 770)`);
  chmodSync(path, 0o700);
  expect(openFolder(path, SETTINGS)).toMatchObject({ path });
});

it('reads nothing where nothing was made', () => {
  expect(readFolder(join(dataFolder().path, 'none'))).toBeNull();
});

it('lists the environments in it and nothing else', async () => {
  const folder = dataFolder();
  await folder.index(2);
  await folder.producer();
  writeFileSync(join(folder.path, 'index-x'), '');
  expect(environmentNames(folder)).toEqual(['index-2', 'producer-0']);
  expect([indexOfName('index-12'), indexOfName('producer-1'), indexOfName('index-01')]).toEqual([12, null, null]);
});
