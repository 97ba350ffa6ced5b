/** Creates the /24 network of each new address, and lists the address there. */
import { defineModule } from 'dp3-cluster';

export default defineModule({
  onEntityCreation: {
    ip(eid, task, context) {
      const network = `${eid.split('.').slice(0, 3).join('.')}.0/24`;
      const seen = task.dataPoints.find((point) => point.t1 !== null)?.t1;
      return [
        context.task('network', network, [{ attr: 'hosts', v: { eid }, t1: seen ?? new Date(), src: 'networks' }]),
      ];
    },
  },
});
