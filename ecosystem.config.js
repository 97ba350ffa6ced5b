/*
 * For pm2:
 *
 *   pm2 start ecosystem.config.js                      development: built-in queue and store
 *   pm2 start ecosystem.config.js --env production     RabbitMQ and PostgreSQL; secrets come from the environment, see config/production.yml
 *   npx dp3-cluster reload                             new code and configuration, one worker after another
 *   pm2 reload ecosystem.config.js                     a graceful shutdown and a start: all indexes pause, nothing is lost
 *   pm2 stop ecosystem.config.js                       drains: running tasks are committed, the rest stays in the queue
 *   pm2 logs dp3-cluster                               its log, JSON lines on stderr
 *
 * One process in fork mode: dp3-cluster forks its own workers, one per index. In pm2's cluster mode the primary would be taken for a
 * worker, and several instances would compete for the same indexes. pm2 loads this file as CommonJS.
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
      // More than processing_core.shutdown_time (60 s), so that pm2 does not cut the drain short.
      kill_timeout: 75_000,
      // 3: graceful shutdown. 2: wrong configuration, which a restart does not fix. Otherwise the program is restarted, after half a second
      // and later each time: after 1, the trouble may have passed, and pm2 reports 0 for a killed process (SIGKILL, out of memory). (pm2
      // shows "waiting restart" even for a program that it does not restart.)
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
