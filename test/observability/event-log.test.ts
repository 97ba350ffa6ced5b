import { expect, it } from 'vitest';
import { logEvents } from '../../lib/observability/event-log.js';
import { createEvents } from '../../lib/observability/events.js';
import { type Fields, makeLogger } from '../../lib/observability/logger.js';

function logging() {
  const lines: Fields[] = [];
  let now = 0;
  const events = createEvents();
  const log = makeLogger((level, message, fields) => void lines.push({ level, message, ...fields }), 'info', {});
  logEvents(events, log, { monotonic: () => now });
  return { events, lines, pass: (ms: number) => (now += ms) };
}

it('tells of slow tasks once a minute and entity type, with how many there were and the slowest of them', () => {
  const { events, lines, pass } = logging();
  const slow = (key: string, durationMs: number) => events.emit('task-slow', { key, durationMs, created: false });
  for (let n = 0; n < 114; n++) slow(`ip:${n}`, n === 50 ? 9_000.4 : 2_000);
  slow('bus:1', 3_000);
  expect(lines).toMatchObject([
    { message: 'a task was slow', entity: 'ip:0', durationMs: 2_000, longestMs: 2_000, tasks: 1 },
    { message: 'a task was slow', entity: 'bus:1', tasks: 1 },
  ]);
  pass(59_999);
  slow('ip:x', 2_000);
  expect(lines).toHaveLength(2);
  pass(1);
  slow('ip:y', 2_500);
  expect(lines.slice(2)).toMatchObject([{ entity: 'ip:y', durationMs: 2_500, longestMs: 9_000, tasks: 115 }]);
});

it('shows of a failed hook its own frames alone', () => {
  const { events, lines } = logging();
  const error = new Error('outer', { cause: new Error('inner') });
  events.emit('module-error', { module: 'geo', hook: 'onNewPlain ip.x', key: 'ip:1', kind: 'threw', error });
  expect(lines).toMatchObject([{ message: 'a hook failed', entity: 'ip:1', error: { message: 'outer' } }]);
  const text = JSON.stringify(lines);
  expect(text).toContain('event-log.test.ts');
  expect(text).not.toMatch(/node:internal|lib\/observability/);
});
