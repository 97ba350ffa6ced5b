/*
 * For pm2:
 *
 *   pm2 start ecosystem.config.js                      development: queue and store inside the program
 *   pm2 start ecosystem.config.js --env production     as config/production.yml says
 *   npx dp3-cluster reload                             new code and configuration, index by index, while the others go on
 *   pm2 reload ecosystem.config.js                     the same by an ordered stop and a start: all indexes pause, nothing is lost
 *   pm2 stop ecosystem.config.js                       drains: what has begun is committed, the rest stays in its queue
 *   pm2 logs NAME                                      its log
 *
 * One process in fork mode: dp3-cluster forks its workers itself, one for each index. In pm2's cluster mode the primary would be
 * taken for a worker, and several instances would want the same indexes.
 */
export const apps = [
  {
    name: 'NAME',
    cwd: import.meta.dirname,
    script: 'node_modules/dp3-cluster/dist/bin/dp3-cluster.js',
    args: ['start', '--stop-exit-code', '3'],
    exec_mode: 'fork',
    instances: 1,
    // More than processing_core.shutdown_time (60 s), so that the program decides when it ends.
    kill_timeout: 75_000,
    // 3: stopped in order. 2: wrong configuration, which a restart does not heal. Otherwise the program is started again, after half a
    // second and later each time; 0 is what pm2 calls a kill (SIGKILL, out of memory). (pm2 shows "waiting restart" also for one that it
    // leaves alone.)
    stop_exit_codes: [2, 3],
    exp_backoff_restart_delay: 500,
    env: { NODE_ENV: 'development' },
    env_production: { NODE_ENV: 'production' },
  },
];
