/**
 * Schema: every key of the configuration with its default, its bounds and its sentence. docs/configuration.md is generated from
 * it. Sizes are in bytes and durations in milliseconds once read. Defaults that depend on environment or machine are `unset` here
 * and filled in by values.ts. No key may be called `default`: convict would take its siblings for a setting.
 */
import { choice, duration, flag, host, postgresUrl, size, text, unset, whole, words } from './settings.js';

/** Kinds of queue and store: one machine without any server, or RabbitMQ with PostgreSQL. */
export const BROKER_KINDS = ['embedded', 'rabbitmq'] as const;
export const STORE_KINDS = ['embedded', 'postgres'] as const;
export const DELIVERY_MODES = ['effectively-once', 'at-least-once', 'at-most-once'] as const;
export const QUEUE_TYPES = ['classic', 'quorum'] as const;
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export const LOG_FORMATS = ['auto', 'pretty', 'json'] as const;

/** Routing takes 16 bits of a hash: more processes could never get a task. */
const MOST_PROCESSES = 65_536;

const APP_NAME = {
  test: /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/,
  sentence: 'letters, digits, _, . and -, starting with a letter or digit, at most 100 characters',
};
const MODULE_NAME = {
  test: /^[A-Za-z_][A-Za-z0-9_-]{0,99}$/,
  sentence:
    'the name of a file in modules_dir without its extension (letters, digits, _ and -, starting with a letter or _)',
};

const IN_DEVELOPMENT = 'in development and test, otherwise';

/** A fresh copy at each call: convict and its callers may hold on to it. */
export function makeSchema() {
  return {
    app: text(
      'dp3',
      'Name of the application. It is part of the names of queues and exchanges, and of the folder of its data; `--app` gives it too.',
      { pattern: APP_NAME },
    ),
    processing_core: {
      worker_processes: unset(
        whole(
          1,
          'Number of worker processes (num_processes). A hash spreads entities over them, so every host must use the same number; the store records it.',
          { least: 1, most: MOST_PROCESSES },
        ),
        'number of processors with the embedded broker; must be given with rabbitmq',
      ),
      worker_threads: whole(
        8,
        'How many entities a worker may process concurrently; most of the time they wait for I/O.',
        {
          least: 1,
          most: 10_000,
        },
      ),
      modules_dir: text('../modules', 'Folder of the modules, relative to the configuration folder.'),
      enabled_modules: words([], 'Modules to load, in this order; each is a file in modules_dir.', {
        pattern: MODULE_NAME,
      }),
      delivery: choice(
        DELIVERY_MODES,
        'effectively-once',
        'What a crash may do to tasks: nothing (effectively-once), apply some twice (at-least-once), or lose those that were running (at-most-once, as in DP3).',
      ),
      max_inline_generated_tasks: whole(
        0,
        'How many tasks that hooks derive for their own entity run immediately instead of going through the queue; the limit is for a whole chain.',
        { least: 0, most: 1_000_000 },
      ),
      max_chain_depth: whole(1_000, 'A task at the end of a longer chain of derived tasks goes to quarantine.'),
      max_sets: whole(
        10_000,
        'A task whose hooks together set more values of its own entity than this goes to quarantine.',
      ),
      normal_every: whole(
        16,
        'While both priority and normal tasks wait, at least one task in this many is a normal one.',
        {
          least: 2,
          most: 1_000_000,
        },
      ),
      hook_timeout: duration(
        '30s',
        'A hook that does not finish within this time is aborted and counted as failed; its task goes on without it.',
      ),
      hang_timeout: duration(
        '45s',
        'A worker that is blocked for longer is killed; a task that runs for longer is reported with its entity and hook.',
        { least: 1_000 },
      ),
      shutdown_time: duration(
        '60s',
        'How long a shutdown may take. Tasks unfinished by then are named in the log and stay in the queue.',
      ),
      slow_task: duration('1s', 'A task that takes longer is logged.'),
      max_memory: unset(
        size(
          '1GiB',
          'A worker whose resident memory exceeds this when the watchdog checks is replaced gracefully, which is not a crash. If workers exceed it before their first task, `respawn.limit` times in a row, the program stops. Mapped files of the embedded store count too.',
          {
            least: 64 * 2 ** 20,
          },
        ),
        'no limit',
      ),
      runtime_dir: unset(
        text('../data', 'Folder of the control socket of a running program, relative to the configuration folder.'),
        'the folder of the application in processing_core.store.path',
      ),
      msg_broker: {
        kind: unset(
          choice(BROKER_KINDS, 'embedded', 'Where tasks are queued: in the built-in queue or in RabbitMQ.'),
          `embedded ${IN_DEVELOPMENT} rabbitmq`,
        ),
        host: host('localhost', 'Name or address of the RabbitMQ server.'),
        port: whole(5_672, 'Port of the RabbitMQ server.', { least: 1, most: 65_535 }),
        management_port: unset(
          whole(
            15_672,
            'Port of its management API, which `check`, `setup` and `start` ask for policies that lose tasks; the user needs the tag management. With `tls`, https is used, with the same `tls_` keys.',
            { least: 1, most: 65_535 },
          ),
          'not asked',
        ),
        virtual_host: text('/', 'Virtual host on that server.'),
        username: text('guest', 'User at the RabbitMQ server.'),
        password: text('guest', 'Password of that user.', { sensitive: true }),
        tls: flag(
          false,
          'Whether the connection is encrypted; RabbitMQ uses another port for that, usually 5671. The certificate of the server must be for the name in `host` and from a trusted authority.',
        ),
        tls_ca_file: unset(
          text(
            '../tls/ca.pem',
            'File with the certificates (PEM) of the trusted authorities, instead of those that Node.js trusts.',
          ),
          'those that Node.js trusts, including NODE_EXTRA_CA_CERTS',
        ),
        tls_cert_file: unset(
          text('../tls/cert.pem', 'File with the client certificate (PEM), for a server that asks for one.'),
          'none',
        ),
        tls_key_file: unset(text('../tls/key.pem', 'File with the key (PEM) of that certificate.'), 'none'),
        tls_key_passphrase: unset(
          text('secret', 'Passphrase of that key, if it is encrypted.', { sensitive: true }),
          'none',
        ),
        tls_server_name: unset(
          host('rabbit.example.org', 'Name that the certificate of the server must have, if it differs from `host`.'),
          'the name in host',
        ),
        prefetch: whole(
          2_000,
          'How many unacknowledged messages RabbitMQ delivers to one consumer. With quorum queues the store records it, and a smaller one is refused.',
          { least: 1, most: 65_535 },
        ),
        queue_type: choice(
          QUEUE_TYPES,
          'quorum',
          'Type of the queues that are declared; existing ones are used as they are. A bounded classic queue, as DP3 declares it, loses its oldest tasks when the broker restarts; a quorum queue keeps them all.',
        ),
        declare: flag(
          true,
          'Whether `start` and `send` declare missing queues and exchanges; otherwise `setup` must have created them.',
        ),
        max_length: whole(
          10_000,
          'Bound of a normal queue in messages: when it is full, producers wait. A quorum queue also accepts what is already under way.',
        ),
        heartbeat: duration(
          '9s',
          'Heartbeat of the connection: a silent peer is given up after two to three times as long, so a process that does not run for that long loses its connection.',
          { least: 1_000, most: 3_600_000 },
        ),
        outstanding: whole(1_000, 'How many published messages may wait for their confirmation.'),
        consumer_timeout: duration(
          '30m',
          'The time after which the server closes a channel because of an unacknowledged message; deliveries are returned in order before that.',
          { least: 60_000 },
        ),
      },
      store: {
        kind: unset(
          choice(STORE_KINDS, 'embedded', 'Where records are kept: in the built-in store or in PostgreSQL.'),
          `embedded ${IN_DEVELOPMENT} postgres`,
        ),
        path: text(
          '../data',
          'Folder of the embedded store and queue, relative to the configuration folder. Each application has a folder in it, with its name.',
        ),
        url: unset(
          postgresUrl(
            'postgres://localhost/dp3',
            'The PostgreSQL database. Required with kind postgres. docs/database.md lists its parameters, such as `?sslmode=verify-full`.',
          ),
          'none',
        ),
        schema_owner: unset(
          text(
            'dp3',
            'Role whose schema is trusted although it is not the role in `url`: the owner of a schema can run anything with the privileges of those who use it.',
          ),
          'the role in url, one that it is a member of, the owner of the database, or a superuser',
        ),
        raw_retention: unset(
          duration('30d', 'How long raw data-points are kept. PostgreSQL removes them in whole weeks.', {
            least: 3_600_000,
          }),
          'forever',
        ),
        map_size: size(
          '256GiB',
          'Address space, not disk space, that the embedded store reserves for each environment; each worker and each of up to 64 senders has one, and all together have at most 100 TiB.',
          { least: 2 ** 20, most: 2 ** 46 },
        ),
        max_readers: whole(
          512,
          'How many transactions of all processes may read one environment of the embedded store at the same time.',
          { least: 16, most: 100_000 },
        ),
        reader_check_interval: duration(
          '1s',
          'How often the embedded store looks for dead readers, which would make its file grow.',
        ),
      },
      window: {
        tasks: whole(
          4_096,
          'How many unacknowledged deliveries a worker holds: waiting, running, or waiting for their commit.',
        ),
        bytes: size(
          '64MiB',
          'The same in bytes of their messages; reading pauses at whichever limit is reached first. A message of at least a kilobyte counts 64 bytes for each value in it, if that is more than its size.',
        ),
      },
      commit: {
        tasks: whole(512, 'At most this many results in one commit.', { least: 1, most: 100_000 }),
        bytes: size(
          '64MiB',
          'The same in estimated bytes of their messages and records, whichever is reached first. A single result always fits.',
          {
            least: 1,
            most: 256 * 2 ** 20,
          },
        ),
        age: duration('5ms', 'How long a result waits, at most, for others to share its commit.', {
          least: 0,
          most: 60_000,
        }),
      },
      cache: {
        bytes: size('64MiB', 'Size of the records that a worker keeps in memory; uncommitted ones may exceed it.'),
      },
      outbox: {
        tasks: whole(1_024, 'How many committed derived tasks are read from the outbox at once, to be published.', {
          least: 1,
          most: 100_000,
        }),
      },
      inbox: {
        retention: duration(
          '1d',
          'How long ids of committed tasks are kept, at least, beyond the redelivery horizon: the longest time after which a producer may repeat a publish.',
        ),
      },
      datapoint: {
        max_future: unset(
          duration(
            '1d',
            'How far t1 and t2 of a data-point may lie in the future. Without a limit, data-points that begin more than a day ahead are only reported.',
            { least: 0 },
          ),
          'none',
        ),
        beyond: choice(
          ['refuse', 'clip'],
          'refuse',
          'What happens to data-points beyond max_future. refuse: `send` rejects them one by one, and a worker puts tasks of other senders that contain one into quarantine; clip: t1 and t2 are set to the limit.',
        ),
      },
      message: {
        bytes: size('16MiB', 'Largest message that is accepted; a larger one goes to quarantine.', {
          least: 1_024,
          most: 512 * 2 ** 20,
        }),
      },
      respawn: {
        limit: whole(
          20,
          'This many crashes of one index within the window stop the program, and so do this many times the number of processes in total.',
        ),
        window: duration('10m', 'Older crashes are forgotten.'),
        backoff: duration('0.5s', 'Pause before the first respawn of an index; it doubles with each crash.'),
        backoff_max: duration('30s', 'Longest pause before a respawn.'),
      },
      quarantine: {
        max_attempts: whole(
          3,
          'A task that broke its lane or its process this often goes to quarantine, even if that was while its message was read or its result committed.',
        ),
      },
      heartbeat: {
        interval: duration('1s', 'How often a worker gives the primary a sign of life.', { least: 100 }),
      },
      watchdog: {
        interval: duration('30s', 'How often a worker looks for dead lanes and for tasks that run too long.', {
          least: 100,
        }),
        max_restarts: whole(
          20,
          'After this many restarts of dead lanes in one worker, without a task reaching quarantine.max_attempts, the program stops with exit code 1.',
        ),
      },
      ttl: {
        sweep_interval: duration(
          '60s',
          'How often a worker looks for entities of lifetime ttl whose tokens have passed.',
          {
            least: 100,
          },
        ),
      },
      scheduler: {
        misfire_grace: duration('1s', 'A scheduled run that is late by more than this is skipped.'),
      },
      control: {
        connections: whole(
          32,
          'How many connections to the control socket may be open; for one more, the most idle is closed.',
          { least: 1, most: 10_000 },
        ),
        request_bytes: size('64KiB', 'Largest request to the control socket.', { least: 1_024 }),
      },
    },
    send: {
      state: unset(
        text(
          '../journals',
          'Folder of the journals of `send`, which record what was sent of each input; relative to the configuration folder. It must be on a local disk.',
        ),
        '`journals` in the folder of the application in processing_core.store.path',
      ),
      journal_retention: duration(
        '365d',
        'A journal unused for this long is removed if its file is gone, or if it belongs to a name (`--stream`).',
        { least: 86_400_000 },
      ),
    },
    logging: {
      level: choice(LOG_LEVELS, 'info', 'Lines below this level are not written.'),
      format: choice(
        LOG_FORMATS,
        'auto',
        'Format of the lines: auto is pretty on a terminal and JSON lines elsewhere.',
      ),
      file: unset(
        text(
          '../logs/dp3',
          'Path of log files, in addition to stderr, relative to the configuration folder; each process has its own, `<path>.worker-0.<day>.log`.',
        ),
        'none',
      ),
      max_bytes: size('100MiB', 'A new log file is started each day and at this size.', { least: 4_096 }),
      max_files: whole(10, 'How many log files are kept per process.'),
    },
  };
}
