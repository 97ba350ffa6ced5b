/** Databases that released versions left, used by this one. */
import { expect, it, onTestFinished } from 'vitest';
import { succeedInside } from '../cli/inside.js';
import {
  breakingMessages,
  derivingMessages,
  fixtureApplication,
  MANY_DIGITS,
  settledMessages,
  waitingMessages,
} from '../fixtures/application.js';
import { comparable, databaseRows, readContent, readSerials } from '../fixtures/content.js';
import { deliverToBroker } from '../fixtures/deliver.js';
import { extract, openedFixtures, restore } from '../fixtures/files.js';
import { freshDatabase } from '../support/postgres.js';
import { freshVirtualHost } from '../support/rabbitmq.js';

it.each(openedFixtures('server'))(
  'uses what $version left of $numProcesses workers once setup has been run, loses nothing, and works off the rest once',
  { timeout: 60_000 },
  async ({ numProcesses, archive, dump, expected }) => {
    const [database, broker] = [await freshDatabase(), await freshVirtualHost()];
    await restore(dump, database.url);
    const application = fixtureApplication(numProcesses, { broker, storeUrl: database.url });
    onTestFinished(() => application.dispose());
    extract(archive, application.dataDir);
    await succeedInside(application, ['setup']);
    const content = async () => ({ ...(await readContent(application)), ...(await databaseRows(database)) });
    expect(await content()).toEqual(expected.made);
    expect(await readSerials(application)).toEqual(new Set([MANY_DIGITS]));

    // As a broker delivers again what was not acknowledged, and a sender sends again what was.
    const again = [...settledMessages(), ...breakingMessages(), ...derivingMessages()];
    await deliverToBroker(broker.url, numProcesses, [...again, ...waitingMessages()]);
    const program = application.start();
    await program.line('worker ready', numProcesses);
    const { inbox } = expected.finished;
    await expect
      .poll(() => databaseRows(database), { timeout: 30_000, interval: 100 })
      .toMatchObject({ waiting: 0, inbox: { length: inbox.length } });
    program.signal('SIGTERM');
    expect((await program.exited).code).toBe(0);
    expect(comparable(await content())).toEqual(comparable(expected.finished));
  },
);
