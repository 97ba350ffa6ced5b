/** Loggers for tests: one that keeps its lines in memory, one that says nothing. */
import { logEvents } from '../../lib/observability/event-log.js';
import { createEvents, type Events } from '../../lib/observability/events.js';
import { type Fields, type Level, type Logger, makeLogger } from '../../lib/observability/logger.js';
import type { Clock } from '../../lib/runtime/clock.js';

export interface CapturedLine {
  readonly level: Level;
  readonly message: string;
  readonly fields: Fields;
}

export interface CapturingLogger extends Logger {
  /** Every line so far, the newest last. */
  readonly lines: readonly CapturedLine[];
  /** Resolves with the first line whose message contains the text, now or later. */
  line(text: string): Promise<CapturedLine>;
}

export function capturingLogger(level: Level = 'debug'): CapturingLogger {
  const lines: CapturedLine[] = [];
  const waiting = new Set<(line: CapturedLine) => void>();
  const write = (level: Level, message: string, fields: Fields) => {
    const line = { level, message, fields };
    lines.push(line);
    for (const look of [...waiting]) look(line);
  };
  const line = (text: string) => {
    return new Promise<CapturedLine>((resolve) => {
      const look = (candidate: CapturedLine) => {
        if (!candidate.message.includes(text)) return false;
        waiting.delete(look);
        resolve(candidate);
        return true;
      };
      if (!lines.some(look)) waiting.add(look);
    });
  };
  return Object.assign(makeLogger(write, level, {}), { lines, line });
}

export const silentLogger: Logger = makeLogger(() => {}, 'error', {});

/** Events whose lines go to this log, as in a worker. */
export function eventsLoggedTo(log: Logger, clock?: Clock): Events {
  const events = createEvents();
  logEvents(events, log, clock);
  return events;
}
