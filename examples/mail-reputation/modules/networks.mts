/** Creates the /24 network of each new relay, and lists the relay there. */
import { defineModule } from 'dp3-cluster';
import { networkOf } from './network_of.mts';

export default defineModule({
  onEntityCreation: {
    ip(eid, cause, { task, set }) {
      const network = networkOf(eid);
      // When the relay was first heard of: the time of the first data-point that has one.
      const t1 = cause.dataPoints.find((point) => point.t1 !== null)?.t1 ?? new Date();
      set('network', { eid: network });
      // The network is created by the first task that it gets.
      return [task('network', network, [{ attr: 'relays', v: { eid }, t1 }])];
    },
  },
});
