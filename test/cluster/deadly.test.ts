/** Messages that end the process which reads or commits them. */
import { expect, it, onTestFinished } from 'vitest';
import { breakingApplication } from '../support/breaking-lanes.js';
import { expectDeadlyAside, sendDeadly, startDeadly, TIMEOUT_MS } from '../support/deadly.js';

/** Each delivery, and more messages: `npm run chaos:deadly`. */
it.each((process.env['DELIVERIES'] ?? 'effectively-once').split(' '))(
  'go to quarantine after three attempts each, and nothing else does (%s)',
  async (delivery) => {
    const application = breakingApplication({
      delivery,
      msg_broker: { kind: 'embedded' },
      store: { kind: 'embedded', path: '../data' },
    });
    onTestFinished(() => application.dispose());
    await sendDeadly(application);
    const program = startDeadly(application);
    await expectDeadlyAside(application);
    program.signal('SIGTERM');
    expect((await program.exited).code).toBe(0);
  },
  TIMEOUT_MS,
);
