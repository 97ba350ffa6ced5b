import { defineModule } from 'dp3-cluster';

export default defineModule({
  onEntityCreation: {
    ip(eid, _task, { task, set }) {
      const network = `${eid.split('.').slice(0, 3).join('.')}.0/24`;
      set('network', { eid: network });
      return [task('network', network, [{ attr: 'hosts', v: { eid }, t1: new Date() }])];
    },
  },
});
