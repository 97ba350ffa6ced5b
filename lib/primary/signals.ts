/**
 * Signals of the primary: the first SIGINT or SIGTERM drains, a second one ends at once, SIGHUP reloads, or drains where it means that
 * the terminal was closed.
 */
import type { Clock } from '../runtime/clock.js';
import { stopSignals } from '../runtime/stop-signals.js';
import type { Reloader } from './reload.js';
import type { Supervisor } from './supervisor.js';

/** Begins to listen; returns what ends it. `terminalClosed`: whether the terminal that the program was started on has gone. */
export function onSignals(
  supervisor: Pick<Supervisor, 'stop' | 'kill'>,
  reloader: Pick<Reloader, 'reload'>,
  clock: Clock,
  terminalClosed: () => boolean,
): () => void {
  const end = stopSignals(
    clock,
    (signal) => supervisor.stop(`signal ${signal}`, 0),
    (signal) => supervisor.kill(`a second signal ${signal}`),
  );
  const hangUp = () => {
    if (terminalClosed()) supervisor.stop('its terminal was closed', 0);
    else void reloader.reload();
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
  process.on('SIGHUP', hangUp);
  return () => {
    process.off('SIGINT', end);
    process.off('SIGTERM', end);
    process.off('SIGHUP', hangUp);
  };
}
