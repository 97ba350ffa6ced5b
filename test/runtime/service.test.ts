import { expect, test } from 'vitest';
import { Deadline } from '../../lib/runtime/deadline.js';
import { type Service, startAll, stopAll } from '../../lib/runtime/service.js';

/** A service that writes into `diary` what happens to it, and fails where it is told to. */
function service(name: string, diary: string[], failing: 'start' | 'stop' | 'never' = 'never'): Service {
  return {
    name,
    async start() {
      diary.push(`start ${name}`);
      if (failing === 'start') throw new Error(`${name} cannot start`);
    },
    async stop(deadline) {
      diary.push(`stop ${name}${deadline ? ' by the deadline' : ''}`);
      if (failing === 'stop') throw new Error(`${name} cannot stop`);
    },
  };
}

test('services start one after another and stop in reverse', async () => {
  const diary: string[] = [];
  const services = [service('store', diary), service('reader', diary)];
  await startAll(services);
  await stopAll(services);
  expect(diary).toEqual(['start store', 'start reader', 'stop reader', 'stop store']);
  expect(services.map((one) => one.name)).toEqual(['store', 'reader']);
});

test('a failed start undoes what was started, the failed one too, and starts nothing more', async () => {
  const diary: string[] = [];
  const services = [service('a', diary), service('b', diary), service('c', diary, 'start'), service('d', diary)];
  await expect(startAll(services)).rejects.toThrow('c cannot start');
  expect(diary).toEqual(['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a']);
});

test('the error of the start is the one that is thrown, also when undoing fails', async () => {
  const diary: string[] = [];
  const services = [service('a', diary, 'stop'), service('b', diary), service('c', diary, 'start')];
  await expect(startAll(services)).rejects.toThrow('c cannot start');
  expect(diary.slice(-2)).toEqual(['stop b', 'stop a']);
});

test('one deadline is handed to every service that stops', async () => {
  const diary: string[] = [];
  await stopAll([service('a', diary), service('b', diary)], Deadline.in(1_000));
  expect(diary).toEqual(['stop b by the deadline', 'stop a by the deadline']);
});

test('a service that does not stop cleanly keeps no other from stopping, and is named', async () => {
  const diary: string[] = [];
  const services = [service('a', diary), service('b', diary, 'stop'), service('c', diary, 'stop')];
  const error = await stopAll(services).catch((thrown: unknown) => thrown);
  expect(diary).toEqual(['stop c', 'stop b', 'stop a']);
  expect(error).toBeInstanceOf(AggregateError);
  const { message, errors } = error as AggregateError;
  expect(message).toBe('2 services did not stop cleanly');
  expect(errors.map(String)).toEqual(['Error: stopping c failed', 'Error: stopping b failed']);
  expect((errors[0] as Error).cause).toEqual(new Error('c cannot stop'));
});
