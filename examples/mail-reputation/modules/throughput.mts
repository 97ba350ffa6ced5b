/**
 * Writes once a second how many tasks its process has begun, into the profile of the process.
 *
 * The count is kept in memory, and a crash forgets what was counted since the last second. For a gauge that is good enough; a number
 * that must be right belongs into a record, as reputation.mts does it.
 */
import { defineModule } from 'dp3-cluster';

let tasks = 0;
let since = new Date();

export default defineModule({
  onTaskStart({ etype }) {
    // Its own tasks do not count, or it would never come to rest.
    if (etype !== 'worker') tasks += 1;
  },

  scheduled: {
    cron: '* * * * * *',
    on: 'all',
    run({ task, platform }) {
      const [t1, t2, count] = [since, new Date(), tasks];
      since = t2;
      tasks = 0;
      if (count === 0) return [];
      const v = { time_first: [t1.toISOString()], time_last: [t2.toISOString()], tasks: [count] };
      return [task('worker', platform.index, [{ attr: 'throughput', v, t1, t2 }])];
    },
  },
});
