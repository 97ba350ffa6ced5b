/**
 * Service: something with a lifetime. Constructors neither connect nor open anything; `start` does, `stop` undoes it and
 * may be called at any time, also twice or after a failed start.
 */
import type { Deadline } from './deadline.js';

export interface Service {
  /** What it is called in logs and errors. */
  readonly name: string;
  start(): Promise<void>;
  /** Ends within the deadline where one is given; never throws for being stopped twice. */
  stop(deadline?: Deadline): Promise<void>;
}

/** Starts services one after another; when one fails, those already started are stopped in reverse and its error is thrown. */
export async function startAll(services: readonly Service[]): Promise<void> {
  const started: Service[] = [];
  for (const service of services) {
    try {
      await service.start();
    } catch (error) {
      await service.stop().catch(() => {});
      await stopAll(started).catch(() => {});
      throw error;
    }
    started.push(service);
  }
}

/** Stops services in reverse order; all are stopped even when some fail, then the failures are thrown together. */
export async function stopAll(services: readonly Service[], deadline?: Deadline): Promise<void> {
  const failures: unknown[] = [];
  for (const service of [...services].reverse()) {
    try {
      await service.stop(deadline);
    } catch (error) {
      failures.push(new Error(`stopping ${service.name} failed`, { cause: error }));
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} services did not stop cleanly`);
}
