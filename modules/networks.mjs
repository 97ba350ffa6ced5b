import { defineModule } from 'dp3-cluster';

export default defineModule({
  onEntityCreation: {
    ip(eid, _task, { task }) {
      const network = `${eid.split('.').slice(0, 3).join('.')}.0/24`;
      return [
        task('ip', eid, [{ attr: 'network', v: { eid: network } }]),
        task('network', network, [{ attr: 'hosts', v: { eid }, t1: new Date() }]),
      ];
    },
  },
});
