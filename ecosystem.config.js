/*
 * For pm2:
 *
 *   pm2 start ecosystem.config.js                      development: queue and store inside the program
 *   pm2 start ecosystem.config.js --env production     RabbitMQ and PostgreSQL; secrets come from the environment, see config/production.yml
 *   npx dp3-cluster reload                             new code and configuration, index by index, while the others go on
 *   pm2 reload ecosystem.config.js                     the same by an ordered stop and a start: all indexes pause, nothing is lost
 *   pm2 stop ecosystem.config.js                       drains: what has begun is committed, the rest stays in its queue
 *   pm2 logs dp3-cluster                               its log, JSON lines on stderr
 *
 * One process in fork mode: dp3-cluster forks its workers itself, one for each index. In pm2's cluster mode the primary would be
 * taken for a worker, and several instances would want the same indexes. pm2 loads this file as CommonJS.
 */
module.exports = {
  apps: [
    {
      name: 'dp3-cluster',
      cwd: __dirname,
      script: 'dist/bin/dp3-cluster.js',
      args: ['start', '--config', 'config', '--stop-exit-code', '3'],
      exec_mode: 'fork',
      instances: 1,
      // More than processing_core.shutdown_time (60 s), so that the drain decides when it ends, not pm2.
      kill_timeout: 75_000,
      // 3: stopped in order. 2: wrong configuration, which a restart does not heal. Otherwise the program is started again, after half a second
      // and later each time: with 1 something is broken that may pass, and 0 is what pm2 calls a kill (SIGKILL, out of memory). (pm2 shows
      // "waiting restart" also for one that it leaves alone.)
      stop_exit_codes: [2, 3],
      exp_backoff_restart_delay: 500,
      // pm2 sends SIGINT, on which the program drains.
      shutdown_with_message: false,
      env: { NODE_ENV: 'development' },
      env_test: { NODE_ENV: 'test' },
      env_production: { NODE_ENV: 'production' },
    },
  ],
};
