/**
 * Signals of the primary: the first SIGINT or SIGTERM drains, a second one ends at once, SIGHUP reloads, or drains where it means that
 * the terminal was closed. What starts programs may send one signal twice, to the process and to its group (timeout(1), npm): that is
 * still the first one.
 */
import type { Clock } from '../runtime/clock.js';
import type { Reloader } from './reload.js';
import type { Supervisor } from './supervisor.js';

/** Nobody presses Ctrl-C twice within this time. */
const SAME_SIGNAL_MS = 100;

/** Begins to listen; returns what ends it. `terminalClosed`: whether the terminal that the program was started on has gone. */
export function onSignals(
  supervisor: Pick<Supervisor, 'stop' | 'kill'>,
  reloader: Pick<Reloader, 'reload'>,
  clock: Clock,
  terminalClosed: () => boolean,
): () => void {
  let first: number | null = null;
  const end = (signal: NodeJS.Signals) => {
    const now = clock.monotonic();
    if (first === null) {
      first = now;
      supervisor.stop(`signal ${signal}`, 0);
    } else if (now - first > SAME_SIGNAL_MS) supervisor.kill(`a second signal ${signal}`);
  };
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
