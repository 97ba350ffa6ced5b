/*
 * For pm2: `pm2 start ecosystem.config.js`, `--env production` for another environment.
 *
 * One process in fork mode: dp3-cluster forks its workers itself, one for each index. In pm2's cluster mode the primary would be
 * taken for a worker, and several instances would own the same indexes. pm2 loads this file as CommonJS.
 */
module.exports = {
  apps: [
    {
      name: 'dp3-cluster',
      cwd: __dirname,
      script: 'dist/bin/dp3-cluster.js',
      args: ['start', '--config', 'config'],
      exec_mode: 'fork',
      instances: 1,
      // More than processing_core.shutdown_time (60 s), so that the drain decides when it ends.
      kill_timeout: 75_000,
      // 1: something is broken that may pass. 2: wrong configuration, which a restart does not heal.
      stop_exit_codes: [0, 2],
      exp_backoff_restart_delay: 500,
      // The program ends on SIGTERM or SIGINT once everything is committed.
      shutdown_with_message: false,
      env: { NODE_ENV: 'development' },
      env_test: { NODE_ENV: 'test' },
      env_production: { NODE_ENV: 'production' },
    },
  ],
};
