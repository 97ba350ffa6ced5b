/** Signals of the primary: the first SIGINT or SIGTERM drains, a second one ends at once, SIGHUP reloads. */
import type { Reloader } from './reload.js';
import type { Supervisor } from './supervisor.js';

/** Begins to listen; returns what ends it. */
export function onSignals(supervisor: Supervisor, reloader: Reloader): () => void {
  let asked = 0;
  const end = (signal: NodeJS.Signals) => {
    asked++;
    if (asked === 1) supervisor.stop(`signal ${signal}`, 0);
    else supervisor.kill(`a second signal ${signal}`);
  };
  const reload = () => void reloader.reload();
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
  process.on('SIGHUP', reload);
  return () => {
    process.off('SIGINT', end);
    process.off('SIGTERM', end);
    process.off('SIGHUP', reload);
  };
}
