/**
 * Marks relays that change their name often. Three steps, from entity to entity:
 *
 *   ip.helo  ->  helo.seen: the name learns who used it  ->  ip.names: the relay learns that the name was new for it
 *
 * Why by way of the name? A relay's record holds its newest name, not all it ever had; the name lists its relays, and so it can tell
 * which one is new to it.
 */
import { defineModule } from 'dp3-cluster';

interface Settings {
  readonly suspiciousFrom: number;
}

export default defineModule<Settings>({
  configure({ suspicious_from: names }) {
    if (typeof names !== 'number' || !(names >= 2)) throw new Error('suspicious_from: a number from 2 on is needed');
    return { suspiciousFrom: names };
  },

  onNewObservation: {
    ip: {
      helo: (eid, { v: { eid: name }, t1 }, { task }) => [task('helo', name, [{ attr: 'seen', v: { eid }, t1 }])],

      names(_eid, _point, { record, set, config }) {
        const relay = record();
        const names = relay?.observations.names?.count ?? 0;
        if (names >= config.suspiciousFrom && relay?.plain.many_names?.v !== true) set('many_names', true);
      },
    },

    helo: {
      seen(name, { v: { eid: relay }, t1 }, { record, set, task }) {
        const known = record()?.plain.relays?.v ?? [];
        if (known.some(({ eid }) => eid === relay)) return [];
        set('relays', [...known, { eid: relay }]);
        return [task('ip', relay, [{ attr: 'names', v: { eid: name }, t1 }])];
      },
    },
  },
});
