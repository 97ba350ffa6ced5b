/** Counts how often an address went on to another port: those that scan have many changes, those that attack one service have few. */
import { defineModule } from 'dp3-cluster';

export default defineModule({
  onNewObservation: {
    ip: {
      connection(_eid, { v: port }, { previous, record, set }) {
        if (previous === null || previous.v === port) return;
        set('port_changes', (record()?.plain.port_changes?.v ?? 0) + 1);
      },
    },
  },
});
