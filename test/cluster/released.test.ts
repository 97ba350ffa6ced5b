/** Data folders that released versions left, opened by this one. */
import { expect, it, onTestFinished } from 'vitest';
import {
  breakingMessages,
  derivingMessages,
  fixtureApplication,
  MANY_DIGITS,
  settledMessages,
} from '../fixtures/application.js';
import { comparable, embeddedRows, readContent, readSerials } from '../fixtures/content.js';
import { deliverToFolder } from '../fixtures/deliver.js';
import { extract, fixtures, openedFixtures } from '../fixtures/files.js';
import { releases } from '../support/releases.js';

const ROOT = new URL('../..', import.meta.url).pathname;

it('there are fixtures of every release: npm run fixtures -- COMMIT makes them', () => {
  const made = [...new Set(fixtures('embedded').map(({ version }) => version))];
  expect(made.sort()).toEqual(
    releases()
      .map(({ version }) => version)
      .sort(),
  );
});

it.each(openedFixtures('embedded'))(
  'opens what $version left of $numProcesses workers, loses nothing, and works off the rest once',
  { timeout: 60_000 },
  async ({ numProcesses, archive, expected }) => {
    const application = fixtureApplication(numProcesses);
    onTestFinished(() => application.dispose());
    extract(archive, application.dataDir);
    const content = async () => ({
      ...(await readContent(application)),
      ...(await embeddedRows(application.dataDir)),
    });
    expect(await content()).toEqual(expected.made);
    expect(await readSerials(application)).toEqual(new Set([MANY_DIGITS]));

    // Whoever sends again what was committed before changes nothing.
    const again = [...settledMessages(), ...breakingMessages(), ...derivingMessages()];
    await deliverToFolder(ROOT, application.dataDir, numProcesses, again);
    const program = application.start();
    await program.line('worker ready', numProcesses);
    await application.idle();
    program.signal('SIGTERM');
    expect((await program.exited).code).toBe(0);
    expect(comparable(await content())).toEqual(comparable(expected.finished));
  },
);
