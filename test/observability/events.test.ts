import { expect, test } from 'vitest';
import { createEvents } from '../../lib/observability/events.js';

const lost = { why: 'connection closed' };

test('listeners are called in the order they came, with the payload itself', () => {
  const events = createEvents();
  const heard: unknown[] = [];
  events.on('reader-lost', (payload) => heard.push('first', payload));
  events.on('reader-lost', (payload) => heard.push('second', payload));
  events.emit('reader-lost', lost);
  expect(heard).toEqual(['first', lost, 'second', lost]);
  expect(heard[1]).toBe(lost);
});

test('an event without listeners passes unheard', () => {
  expect(() => createEvents().emit('reader-lost', lost)).not.toThrow();
});

test('a listener that throws is reported, and neither the emitter nor the other listeners notice', () => {
  const reported: unknown[] = [];
  const heard: string[] = [];
  const events = createEvents((name, error) => reported.push([name, String(error)]));
  events.on('reader-lost', () => {
    throw new Error('broken listener');
  });
  events.on('reader-lost', () => heard.push('second'));
  expect(() => events.emit('reader-lost', lost)).not.toThrow();
  expect(heard).toEqual(['second']);
  expect(reported).toEqual([['reader-lost', 'Error: broken listener']]);
});

test('emitting does not throw even when the report of a broken listener does', () => {
  const events = createEvents(() => {
    throw new Error('broken report');
  });
  events.on('reader-lost', () => {
    throw new Error('broken listener');
  });
  expect(() => events.emit('reader-lost', lost)).not.toThrow();
});

test('whoever stops listening is not called again, and others are', () => {
  const events = createEvents();
  const heard: string[] = [];
  const stop = events.on('reader-lost', () => heard.push('one'));
  events.on('reader-lost', () => heard.push('other'));
  stop();
  stop();
  events.emit('reader-lost', lost);
  expect(heard).toEqual(['other']);
});

test('the same listener given twice is called twice and taken away once', () => {
  const events = createEvents();
  let calls = 0;
  const listener = () => {
    calls += 1;
  };
  const stop = events.on('reader-lost', listener);
  events.on('reader-lost', listener);
  events.emit('reader-lost', lost);
  stop();
  events.emit('reader-lost', lost);
  expect(calls).toBe(3);
});

test('listeners may come and go while an event is handed out', () => {
  const events = createEvents();
  const heard: string[] = [];
  const stop = events.on('reader-lost', () => {
    heard.push('once');
    stop();
    events.on('reader-lost', () => heard.push('new'));
  });
  events.on('reader-lost', () => heard.push('always'));
  events.emit('reader-lost', lost);
  events.emit('reader-lost', lost);
  expect(heard).toEqual(['once', 'always', 'always', 'new']);
});

test('it can be asked whether anyone listens, so that no payload is built in vain', () => {
  const events = createEvents();
  const stop = events.on('task-started', () => {});
  expect([events.hears('task-started'), events.hears('task-received')]).toEqual([true, false]);
  stop();
  expect(events.hears('task-started')).toBe(false);
});
