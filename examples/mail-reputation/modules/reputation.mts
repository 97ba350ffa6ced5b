/**
 * Keeps a reputation of relays and of their networks. Two ways to count, and when each is right:
 *
 * - A relay's score follows from how many rows of spam and ham its record has. The record counts rows by itself; nothing is
 *   added up here, so nothing can be added up wrongly.
 * - A network's reputation goes on from its last value, because old mails fade. Three things make that safe. Tasks of one network are
 *   processed strictly one after another, whichever workers its relays belong to. Each mail comes as a task of its own, so there is
 *   one mail between two values. And the new value is committed together with that task, once, whatever crashes.
 */
import { defineModule, type HookContext, type Instant, type Task } from 'dp3-cluster';
import { networkOf } from './network_of.mts';

interface Settings {
  readonly halfLifeMs: number;
}

/** A mail, as the network hears of it. */
interface Mail {
  readonly spam: number;
  readonly ham: number;
  readonly t1: Instant;
}

type OfRelay = HookContext<Settings, 'ip'>;
type OfNetwork = HookContext<Settings, 'network'>;

export default defineModule<Settings>({
  configure({ half_life_days: days }) {
    if (typeof days !== 'number' || !(days > 0)) throw new Error('half_life_days: a number above 0 is needed');
    return { halfLifeMs: days * 86_400_000 };
  },

  onNewObservation: {
    ip: {
      spam(eid, { t1, c }, context) {
        const forNetwork = context.task('network', networkOf(eid), [{ attr: 'spam', v: { eid }, t1, c }]);
        return [newScore(eid, context), forNetwork];
      },
      ham(eid, { t1, c }, context) {
        const forNetwork = context.task('network', networkOf(eid), [{ attr: 'ham', v: { eid }, t1, c }]);
        return [newScore(eid, context), forNetwork];
      },
    },
    network: {
      // A verdict that is not sure weighs less.
      spam: (eid, { t1, c }, context) => [newReputation(eid, { spam: c, ham: 0, t1 }, context)],
      ham: (eid, { t1, c }, context) => [newReputation(eid, { spam: 0, ham: c, t1 }, context)],
    },
  },
});

/** A hook changes a record by a task for it. This one is executed at once: see max_inline_generated_tasks in config/default.yml. */
function newScore(eid: string, { task, record }: OfRelay): Task {
  const rows = record()?.observations;
  return task('ip', eid, [{ attr: 'score', v: share(rows?.spam?.count ?? 0, rows?.ham?.count ?? 0) }]);
}

/** The reputation after one more mail. Those of different relays may come out of order: then it is the mail that has faded. */
function newReputation(eid: string, mail: Mail, { record, task, config }: OfNetwork): Task {
  const mailAt = Date.parse(mail.t1);
  const last = record()?.plain.reputation?.v ?? { spam: 0, ham: 0, at: mail.t1 };
  const lastAt = Date.parse(last.at);
  const at = Math.max(mailAt, lastAt);
  const left = (since: number) => 0.5 ** ((at - since) / config.halfLifeMs);
  const spam = last.spam * left(lastAt) + mail.spam * left(mailAt);
  const ham = last.ham * left(lastAt) + mail.ham * left(mailAt);
  const v = { spam, ham, at: new Date(at).toISOString(), score: share(spam, ham) };
  return task('network', eid, [{ attr: 'reputation', v }]);
}

/** The share of spam, as if one mail of each kind had come before: a single mail is no proof. */
function share(spam: number, ham: number): number {
  return (spam + 1) / (spam + ham + 2);
}
