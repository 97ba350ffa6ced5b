/**
 * Keeps a reputation of relays and of their networks. Two ways to count, and when each is right:
 *
 * - A relay's score follows from how many rows of spam and ham its record has. The record counts rows by itself; nothing is
 *   added up here, so nothing can be added up wrongly.
 * - A network's reputation goes on from its last value, because old mails fade. Three things make that safe. Tasks of one network are
 *   processed strictly one after another, whichever workers its relays belong to. A value that is set is there when the hook of
 *   the next mail looks, also where a task carries many. And it is committed together with its task, once, whatever crashes.
 */
import { type CreationContext, defineModule, type Instant } from 'dp3-cluster';
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

type OfRelay = CreationContext<Settings, 'ip'>;
type OfNetwork = CreationContext<Settings, 'network'>;

export default defineModule<Settings>({
  configure({ half_life_days: days }) {
    if (typeof days !== 'number' || !(days > 0)) throw new Error('half_life_days: a number above 0 is needed');
    return { halfLifeMs: days * 86_400_000 };
  },

  onNewObservation: {
    ip: {
      spam(eid, { t1, c }, context) {
        setScore(context);
        return [context.task('network', networkOf(eid), [{ attr: 'spam', v: { eid }, t1, c }])];
      },
      ham(eid, { t1, c }, context) {
        setScore(context);
        return [context.task('network', networkOf(eid), [{ attr: 'ham', v: { eid }, t1, c }])];
      },
    },
    network: {
      // A verdict that is not sure weighs less.
      spam: (_eid, { t1, c }, context) => setReputation({ spam: c, ham: 0, t1 }, context),
      ham: (_eid, { t1, c }, context) => setReputation({ spam: 0, ham: c, t1 }, context),
    },
  },
});

/** A value of the entity itself is set: it is in the record when the next hook runs. */
function setScore({ set, record }: OfRelay): void {
  const rows = record()?.observations;
  set('score', share(rows?.spam?.count ?? 0, rows?.ham?.count ?? 0));
}

/** The reputation after one more mail. Those of different relays may come out of order: then it is the mail that has faded. */
function setReputation(mail: Mail, { record, set, config }: OfNetwork): void {
  const mailAt = Date.parse(mail.t1);
  const last = record()?.plain.reputation?.v ?? { spam: 0, ham: 0, at: mail.t1 };
  const lastAt = Date.parse(last.at);
  const at = Math.max(mailAt, lastAt);
  const left = (since: number) => 0.5 ** ((at - since) / config.halfLifeMs);
  const spam = last.spam * left(lastAt) + mail.spam * left(mailAt);
  const ham = last.ham * left(lastAt) + mail.ham * left(mailAt);
  set('reputation', { spam, ham, at: new Date(at).toISOString(), score: share(spam, ham) });
}

/** The share of spam, as if one mail of each kind had come before: a single mail is no proof. */
function share(spam: number, ham: number): number {
  return (spam + 1) / (spam + ham + 2);
}
