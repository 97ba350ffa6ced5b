/** Marks a host as suspicious once logins have failed there as often as `limit` says (config/modules/suspicion.yml). */
import { defineModule } from 'dp3-cluster';

export default defineModule({
  configure: (config) => ({ limit: Number(config['limit'] ?? 3) }),

  onNewObservation: {
    host: {
      failed_login(_eid, _dataPoint, { config, record, set }) {
        const host = record();
        const failures = host?.observations.failed_login?.count ?? 0;
        if (failures >= config.limit && !host?.plain.suspicious?.v) set('suspicious', true, { src: 'suspicion' });
      },
    },
  },
});
