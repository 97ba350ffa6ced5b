import { expect, it, onTestFinished } from 'vitest';
import { onSignals } from '../../lib/primary/signals.js';
import { manualClock } from '../support/clock.js';

function listening(terminalClosed = false) {
  const clock = manualClock();
  const calls: string[] = [];
  const supervisor = { stop: () => void calls.push('stop'), kill: () => void calls.push('kill') };
  const reloader = {
    reload: async () => {
      calls.push('reload');
      return { ok: true, sentence: '' };
    },
  };
  onTestFinished(onSignals(supervisor, reloader, clock, () => terminalClosed));
  return { clock, calls };
}

it('drains at the first signal and ends at once at a later one', () => {
  const { clock, calls } = listening();
  process.emit('SIGINT');
  clock.pass(101);
  process.emit('SIGTERM');
  expect(calls).toEqual(['stop', 'kill']);
});

it('takes a signal that comes twice, to the process and to its group, for one', () => {
  const { clock, calls } = listening();
  process.emit('SIGTERM');
  clock.pass(20);
  process.emit('SIGTERM');
  expect(calls).toEqual(['stop']);
});

it('reloads at SIGHUP', () => {
  const { calls } = listening();
  process.emit('SIGHUP');
  expect(calls).toEqual(['reload']);
});

it('drains at SIGHUP when its terminal was closed, however often it comes', () => {
  const { clock, calls } = listening(true);
  process.emit('SIGHUP');
  clock.pass(101);
  process.emit('SIGHUP');
  expect(calls).toEqual(['stop', 'stop']);
});
