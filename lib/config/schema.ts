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
          'Number of worker processes (num_processes). Entities are spread over them by a hash, so every host must use the same number, and it is recorded in the store.',
          { least: 1, most: MOST_PROCESSES },
        ),
        'number of processors with the embedded broker; must be given with rabbitmq',
      ),
      worker_threads: whole(8, 'How many entities a worker may process at the same time; they mostly wait for I/O.', {
        least: 1,
        most: 10_000,
      }),
      modules_dir: text('../modules', 'Folder of the modules, relative to the configuration folder.'),
      enabled_modules: words([], 'Modules to load, in this order; each is a file of modules_dir.', {
        pattern: MODULE_NAME,
      }),
      delivery: choice(
        DELIVERY_MODES,
        'effectively-once',
        'What a crash may do to a task: nothing (effectively-once), apply it twice (at-least-once), or lose those that were running (at-most-once, as DP3 does).',
      ),
      max_inline_generated_tasks: whole(
        0,
        'How many tasks that hooks derive for their own entity are executed at once instead of going through the queue; the budget of a whole chain.',
        { least: 0, most: 1_000_000 },
      ),
      max_chain_depth: whole(1_000, 'A task derived more often than this, one from another, goes to quarantine.'),
      max_sets: whole(
        10_000,
        'A task whose hooks set more values of its own entity than this, together, goes to quarantine.',
      ),
      normal_every: whole(16, 'Where priority and normal tasks wait, at least one task in this many is a normal one.', {
        least: 2,
        most: 1_000_000,
      }),
      hook_timeout: duration(
        '30s',
        'A hook that does not settle within this time is aborted and counted as failed; its task goes on without it.',
      ),
      hang_timeout: duration(
        '45s',
        'A worker that is blocked for longer is killed; a task that runs for longer is reported with its entity and hook.',
        { least: 1_000 },
      ),
      shutdown_time: duration(
        '60s',
        'How long a stop may take. Tasks unfinished by then are named in the log and stay in the queue.',
      ),
      slow_task: duration('1s', 'A task that takes longer is logged.'),
      max_memory: unset(
        size(
          '1GiB',
          'A worker whose resident memory is beyond this when the watchdog looks is replaced in order, which is no crash; where it is already before its first task, `respawn.limit` times in a row, the program stops. What it has mapped of the files of the embedded store counts, too.',
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
          choice(BROKER_KINDS, 'embedded', 'Where tasks are queued: inside the program, or in RabbitMQ.'),
          `embedded ${IN_DEVELOPMENT} rabbitmq`,
        ),
        host: host('localhost', 'Name or address of the RabbitMQ server.'),
        port: whole(5_672, 'Port of the RabbitMQ server.', { least: 1, most: 65_535 }),
        management_port: unset(
          whole(
            15_672,
            'Port of its management API, which `check`, `setup` and `start` ask for policies that lose tasks; the user needs the tag management. With `tls` over https, with the same `tls_` keys.',
            { least: 1, most: 65_535 },
          ),
          'not asked',
        ),
        virtual_host: text('/', 'Virtual host on that server.'),
        username: text('guest', 'User at the RabbitMQ server.'),
        password: text('guest', 'Password of that user.', { sensitive: true }),
        tls: flag(
          false,
          'Whether the connection is encrypted; RabbitMQ has another port for that, usually 5671. The certificate of the server must be of the name in `host` and of an authority that is trusted.',
        ),
        tls_ca_file: unset(
          text(
            '../tls/ca.pem',
            'File with the certificates (PEM) of the authorities that are trusted, in place of those that Node.js trusts.',
          ),
          'those that Node.js trusts, NODE_EXTRA_CA_CERTS included',
        ),
        tls_cert_file: unset(
          text('../tls/cert.pem', 'File with our own certificate (PEM), for a server that asks for one.'),
          'none',
        ),
        tls_key_file: unset(text('../tls/key.pem', 'File with the key (PEM) of that certificate.'), 'none'),
        tls_key_passphrase: unset(
          text('secret', 'Passphrase of that key, if it is encrypted.', { sensitive: true }),
          'none',
        ),
        tls_server_name: unset(
          host('rabbit.example.org', 'Name that the certificate of the server must have, where `host` is another one.'),
          'the name in host',
        ),
        prefetch: whole(
          2_000,
          'Unacknowledged messages RabbitMQ hands out to one consumer. Where the queues are quorum queues the store keeps it, and a smaller one is refused.',
          { least: 1, most: 65_535 },
        ),
        queue_type: choice(
          QUEUE_TYPES,
          'quorum',
          'Type of the queues that are declared; those that are there are used as they are. A bounded classic queue, as DP3 declares it, loses its oldest tasks when the broker restarts; a quorum queue keeps all.',
        ),
        declare: flag(
          true,
          'Whether `start` and `send` declare missing queues and exchanges; otherwise they must be there, and `setup` makes them.',
        ),
        max_length: whole(
          10_000,
          'Bound of a normal queue in messages: when it is full, producers wait. A quorum queue takes what is under way, too.',
        ),
        heartbeat: duration(
          '9s',
          'Heartbeat of the connection: a silent peer is given up after two to three times as long, and so is a process that does not run for so long.',
          { least: 1_000, most: 3_600_000 },
        ),
        outstanding: whole(1_000, 'Publishes that may wait for their confirmation at once.'),
        consumer_timeout: duration(
          '30m',
          'The time after which the server closes a channel over an unacknowledged message; deliveries are returned in order before that.',
          { least: 60_000 },
        ),
      },
      store: {
        kind: unset(
          choice(STORE_KINDS, 'embedded', 'Where records are kept: inside the program, or in PostgreSQL.'),
          `embedded ${IN_DEVELOPMENT} postgres`,
        ),
        path: text(
          '../data',
          'Folder of the embedded store and queue, relative to the configuration folder. Each application has a folder of its name in it.',
        ),
        url: unset(
          postgresUrl(
            'postgres://localhost/dp3',
            'PostgreSQL to use. Needed with kind postgres. docs/database.md lists its parameters, such as `?sslmode=verify-full`.',
          ),
          'none',
        ),
        schema_owner: unset(
          text(
            'dp3',
            'Role whose schema is used though it is not the role in `url`: whoever owns a schema can run anything as those who use it.',
          ),
          'the role in url, one that it is a member of, the owner of the database, or a superuser',
        ),
        raw_retention: unset(
          duration('30d', 'How long raw data-points are kept. PostgreSQL removes them by whole weeks.', {
            least: 3_600_000,
          }),
          'forever',
        ),
        map_size: size(
          '256GiB',
          'Address space that the embedded store reserves for each environment, not disk space; a worker and 64 senders have one each, all of them together at most 100 TiB.',
          { least: 2 ** 20, most: 2 ** 46 },
        ),
        max_readers: whole(
          512,
          'Transactions that may read one environment of the embedded store at once, over all processes.',
          { least: 16, most: 100_000 },
        ),
        reader_check_interval: duration(
          '1s',
          'How often the embedded store looks for readers that have died, which would let its file grow.',
        ),
      },
      window: {
        tasks: whole(4_096, 'Deliveries a worker holds unacknowledged: waiting, running, or waiting for their commit.'),
        bytes: size(
          '64MiB',
          'The same in bytes that their messages take up; whichever is reached first stops reading. A message of at least a kilobyte takes up 64 bytes for each value in it, where that is more than its own.',
        ),
      },
      commit: {
        tasks: whole(512, 'Results in one commit, at most.', { least: 1, most: 100_000 }),
        bytes: size(
          '64MiB',
          'The same in bytes of their messages and records, estimated; whichever is reached first. One result always fits.',
          {
            least: 1,
            most: 256 * 2 ** 20,
          },
        ),
        age: duration('5ms', 'A result waits no longer than this for others to share its commit.', {
          least: 0,
          most: 60_000,
        }),
      },
      cache: {
        bytes: size('64MiB', 'Records a worker keeps in memory; those not committed yet may exceed it.'),
      },
      outbox: {
        tasks: whole(1_024, 'Committed derived tasks that are read from the outbox at once to be published.', {
          least: 1,
          most: 100_000,
        }),
      },
      inbox: {
        retention: duration(
          '1d',
          'Ids of committed tasks are kept for at least this long after no redelivery is possible any more: the longest a producer may repeat a publish.',
        ),
      },
      datapoint: {
        max_future: unset(
          duration(
            '1d',
            'How far in the future t1 and t2 of a data-point may lie. Without a limit only those that begin more than a day ahead are told of.',
            { least: 0 },
          ),
          'none',
        ),
        beyond: choice(
          ['refuse', 'clip'],
          'refuse',
          'What becomes of data-points beyond max_future: a sender refuses them one by one, a worker puts a foreign task that holds one into quarantine; or t1 and t2 are set to the limit.',
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
          'Crashes of one index within the window that stop the program; that many times the number of processes in total do too.',
        ),
        window: duration('10m', 'Crashes further back are forgotten.'),
        backoff: duration('0.5s', 'Pause before the first respawn of an index; it doubles with each crash.'),
        backoff_max: duration('30s', 'Longest pause before a respawn.'),
      },
      quarantine: {
        max_attempts: whole(
          3,
          'A task that broke its lane or its process this often goes to quarantine, also while its message was read or its result committed.',
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
          'Restarts of dead lanes in one worker, without any task reaching quarantine.max_attempts, after which the program stops with exit code 1.',
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
        misfire_grace: duration('1s', 'A scheduled run that is late by more than this is left out.'),
      },
      control: {
        connections: whole(
          32,
          'Connections to the control socket that may be open at once; where one more comes, the idlest is closed.',
          { least: 1, most: 10_000 },
        ),
        request_bytes: size('64KiB', 'Largest request to the control socket.', { least: 1_024 }),
      },
    },
    send: {
      state: unset(
        text(
          '../journals',
          'Folder of the journals of `send`, relative to the configuration folder: what was sent of each input. It must be on a local disk.',
        ),
        '`journals` in the folder of the application in processing_core.store.path',
      ),
      journal_retention: duration(
        '365d',
        'A journal that was not used for so long is removed where its file is gone, or where it is that of a name (`--stream`).',
        { least: 86_400_000 },
      ),
    },
    logging: {
      level: choice(LOG_LEVELS, 'info', 'Lines below this level are not written.'),
      format: choice(LOG_FORMATS, 'auto', 'Form of the lines: auto is pretty on a terminal and JSON lines elsewhere.'),
      file: unset(
        text(
          '../logs/dp3',
          'Path of log files besides stderr, relative to the configuration folder; each process has its own, `<path>.worker-0.<day>.log`.',
        ),
        'none',
      ),
      max_bytes: size('100MiB', 'A new log file is begun each day and at this size.', { least: 4_096 }),
      max_files: whole(10, 'Log files that are kept, for each process.'),
    },
  };
}
