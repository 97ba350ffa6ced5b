/** The module with the real configuration and model, in memory. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { openApplication, type TestApplication } from 'dp3-cluster/testing';

const HOST = '192.0.2.1';
let app: TestApplication;
beforeEach(async () => {
  app = await openApplication();
});
afterEach(() => app.close());

const fail = (user: string) =>
  app.process(app.task('host', HOST, [{ attr: 'failed_login', v: user, t1: new Date(), src: 'sshd' }]));

test('a host is suspicious from the third failed login on', async () => {
  await fail('root');
  await fail('admin');
  assert.equal(app.record('host', HOST)?.plain.suspicious, undefined);
  await fail('oracle');
  assert.equal(app.record('host', HOST)?.plain.suspicious?.v, true);
});

test('it is marked once', async () => {
  for (const user of ['root', 'admin', 'oracle']) await fail(user);
  assert.equal((await fail('postgres')).length, 1);
});
