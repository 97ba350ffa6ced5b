/** The table of commands: what each is called, says in its help and takes. A new one is a line here and a file in commands/. */
import type { Command, Option } from './command.js';

const JSON_OUTPUT: Option = { flags: '--json', sentence: 'print JSON' };
const WIDE: Option = { flags: '--wide', sentence: 'on a terminal: cut nothing to its width, leave no column out' };
const PROCESSES: Option = {
  flags: '--processes <n>',
  sentence: 'number of worker processes (default: as configured)',
  key: 'processing_core.worker_processes',
};
const STOP_EXIT_CODE: Option = {
  flags: '--stop-exit-code <n>',
  sentence: 'exit code of a graceful shutdown (default: 0), for pm2, which reports 0 for a killed process',
};
const INDEXES: Option = {
  flags: '--indexes <list>',
  sentence: 'only programs with these process indexes, such as 0-3,5',
};

/** What the help says of the first word of commands that have two. */
export const GROUPS: Readonly<Record<string, string>> = {
  quarantine: 'List, show, retry or drop tasks that could not be processed.',
};

export const COMMANDS: readonly Command[] = [
  {
    name: 'check',
    sentence: 'Validate the configuration: name every mistake with its file and key, and print the effective settings.',
    details:
      'The modules are imported and their hooks registered, as at a start: their code runs. Of the texts in their settings only the length is shown; whatever looks like a secret, by its name or its form, is never shown.',
    example: 'check --config config --env production',
    options: [
      JSON_OUTPUT,
      WIDE,
      { flags: '--show-values', sentence: 'show the texts in the settings of modules' },
      { flags: '--no-modules', sentence: 'do not run the code of modules, nor check their files and hooks' },
    ],
    load: () => import('./commands/check.js'),
  },
  {
    name: 'types',
    sentence: 'Write the types of the model: a module with a misspelt name or a wrong value then does not compile.',
    details:
      'The file extends the types of this package. Modules need not import it, but it must be part of the TypeScript program (include in tsconfig.json).',
    example: 'types --config config --out dp3-model.d.ts',
    options: [
      JSON_OUTPUT,
      {
        flags: '--out <file>',
        sentence: 'where to write it (default: dp3-model.d.ts beside the configuration folder)',
      },
      { flags: '--check', sentence: 'write nothing; exit code 1 when the file is missing or out of date' },
    ],
    load: () => import('./commands/types.js'),
  },
  {
    name: 'init',
    args: '<folder>',
    sentence: 'Create an application: configuration, an entity type, a module in TypeScript with its test.',
    details: [
      'With --from, the entity types are proposed from a sample: a file of JSON objects, one per line or in an array. These are data-points, as send takes them, or any other objects: one key names the entity, one may be the time, the others become attributes. Comments in the files say what was guessed and why.',
      'points.jsonl holds the data-points of the sample, all of which can be sent; to-points.mjs makes more of them from further data.',
    ].join('\n\n'),
    example: 'init my-profiles --from sample.jsonl',
    options: [
      JSON_OUTPUT,
      { flags: '--from <file>', sentence: 'propose the entity types from this sample' },
      { flags: '--id <key>', sentence: 'the key of the sample that names the entity (default: guessed)' },
      { flags: '--type <name>', sentence: 'the entity type of the sample (default: made of the key that names it)' },
      { flags: '--name <name>', sentence: 'name of the application (default: name of the folder)' },
      {
        flags: '--package <what>',
        sentence: 'how its package.json refers to dp3-cluster (default: the version that runs)',
      },
    ],
    load: () => import('./commands/init.js'),
  },
  {
    name: 'setup',
    sentence:
      'Create what a start needs: the data folder, or tables, exchanges and queues. Running it again changes nothing.',
    details:
      'With --repair, queues that can lose tasks because of how they were declared are replaced, and their messages moved. Stop senders and programs first. If it was interrupted, run it again: it continues.',
    example: 'setup --config config',
    options: [JSON_OUTPUT, PROCESSES, { flags: '--repair', sentence: 'replace queues that can lose tasks' }],
    load: () => import('./commands/setup.js'),
  },
  {
    name: 'start',
    sentence:
      'Run the workers in the foreground; the log goes to stderr. Ctrl-C or SIGTERM shuts down gracefully, a second one stops at once; SIGHUP reloads.',
    example: 'start --processes 4 --indexes 0-1',
    options: [
      PROCESSES,
      { flags: '--indexes <list>', sentence: 'process indexes to run here, such as 0-3,5 (default: all)' },
      STOP_EXIT_CODE,
    ],
    load: () => import('./commands/start.js'),
  },
  {
    name: 'worker',
    args: '<index>',
    sentence: 'Run a single worker in the foreground, under your own supervisor or in a container.',
    example: 'worker 0 --processes 4',
    options: [PROCESSES, STOP_EXIT_CODE],
    load: () => import('./commands/worker.js'),
  },
  {
    name: 'stop',
    sentence: 'Shut down the running programs gracefully, wait for them to end, and say how they ended.',
    example: 'stop',
    options: [JSON_OUTPUT, INDEXES],
    load: () => import('./commands/stop.js'),
  },
  {
    name: 'reload',
    sentence:
      'Have the running programs load new code and configuration, one worker after another, without losing anything.',
    example: 'reload',
    options: [JSON_OUTPUT, INDEXES],
    load: () => import('./commands/reload.js'),
  },
  {
    name: 'status',
    sentence: 'Show the running workers, their queues and the store. Exit code 1 when nothing runs.',
    details:
      'A dash means that a figure is unknown at the moment, as while a worker is down or starting. docs/operations.md describes the document of --json.',
    example: 'status --watch',
    options: [
      JSON_OUTPUT,
      WIDE,
      { flags: '--hooks', sentence: 'also show the hooks of the modules' },
      { flags: '--watch', sentence: 'refresh every second, on a terminal' },
    ],
    load: () => import('./commands/status.js'),
  },
  {
    name: 'send',
    args: '[file]',
    sentence: 'Send data-points from a file, or from stdin (-), to the queues, as tasks.',
    details: [
      'FILE holds objects {"type","id","attr","v","t1","t2","c","src"}, one per line, spread over several lines, or in JSON arrays; it may be gzipped. If it is broken (a truncated gzip file, an array that is not closed), everything before that place is sent, and the place is named.',
      'A data-point that the model does not allow is rejected, and only it: stderr names its line, and the file of rejects keeps it as {"line","reason","input"}. What DP3 silently ignores, such as an unknown key, is accepted and counted in the summary; --strict rejects it. If a queue is full, or the broker is away or in alarm, send waits and says why. The order within an entity is kept.',
      'send records in a journal what it sent of each file (send.state), and compares the file with it. So you can repeat the command after an interruption, or send a file again that has grown: each line is sent once. A moved file keeps its journal; a copy gets its own. A file with none of the lines sent last is sent as a whole. If some of the lines have changed, nothing is sent until --changed says what to send. A corrected file of rejects can be sent as it is. Stdin is sent without comparison, unless --stream NAME gives it a journal.',
      'An interrupted send leaves a block of which it is unknown how much was sent. The next send finishes it under the same ids, and the workers skip tasks already committed. If they may have forgotten the ids (half of processing_core.inbox.retention has passed, the number of processes has changed, or the clock is earlier than the block), nothing is sent until --open says what to do with the block.',
      '--follow keeps sending lines as they are written to the file, also after it was rotated or truncated, until Ctrl-C.',
      'Ctrl-C and SIGTERM end it within a second, or it says what it is waiting for. The summary says how much is new and how much was sent before, and names the streams, by which lost tasks are reported. A second signal ends it at once, without a summary.',
      'Exit code: 0 if everything was sent; 1 if something was rejected, the input could not be read to its end, or send was interrupted; 2 if nothing is sent until --changed or --open is given; after a second signal, that of the signal (130 for Ctrl-C, 143 for SIGTERM).',
    ].join('\n\n'),
    example: 'send points.jsonl.gz --rejects bad.jsonl',
    options: [
      JSON_OUTPUT,
      PROCESSES,
      { flags: '--rate <n>', sentence: 'at most this many data-points per second' },
      {
        flags: '--rejects <file>',
        sentence: 'where to write what is rejected (default: <file>.rejected.jsonl, for stdin rejected.jsonl)',
      },
      { flags: '--strict', sentence: 'reject data-points with anything that would be ignored, such as an unknown key' },
      { flags: '--again', sentence: 'send everything again' },
      { flags: '--changed <what>', sentence: 'if lines that were already sent have changed: send new-lines, or all' },
      {
        flags: '--open <what>',
        sentence: 'what to do with a block left open for too long: send it again, or skip it',
      },
      { flags: '--follow', sentence: 'keep sending what is written to the file, until Ctrl-C' },
      {
        flags: '--stream <name>',
        sentence: 'compare with what was last sent under this name, instead of by the path of the file',
      },
    ],
    load: () => import('./commands/send.js'),
  },
  {
    name: 'export',
    sentence:
      'Print all records with their histories as JSON lines, as they are at one moment, also while the program runs.',
    details: [
      'The first line names the format; each record is followed by the rows of its history; the last line counts both. Memory does not grow with the data. Not part of it are raw data-points, tasks that wait, and the quarantine: for all of it use backup, or pg_dump.',
      'What is read stays on the disk until the end: a data folder grows, and PostgreSQL does not clean up, while a long export of a busy program lasts.',
    ].join('\n\n'),
    example: 'export > records.jsonl',
    load: () => import('./commands/export.js'),
  },
  {
    name: 'import',
    args: '[file]',
    sentence: 'Import what export has printed, from a file or stdin, into an empty application. No program may run.',
    details: [
      'FILE may be gzipped. The model must have the entity types; the number of processes may be another one, and so may the backend.',
      'It is not all or nothing: what is imported stays, also after it was killed or a line was wrong, which is named. Repeated with the same file, it goes on where it was. A record that is there and differs is never changed, unless --overwrite replaces it.',
      'Exit code: 0 if everything was imported, 1 or 2 otherwise.',
    ].join('\n\n'),
    example: 'import records.jsonl',
    options: [
      JSON_OUTPUT,
      { flags: '--overwrite', sentence: 'replace records that are there and differ; also add to others' },
    ],
    load: () => import('./commands/import.js'),
  },
  {
    name: 'backup',
    args: '<folder>',
    sentence: 'Copy the data folder of embedded mode into a new or empty folder, also while the program runs.',
    details:
      'The copy shows all queues and records as they were at one moment. To restore it, stop the program and put it in the place of its data folder. A copy that was broken off is refused by every command: remove it. PostgreSQL and RabbitMQ have their own tools (docs/operations.md).',
    example: 'backup /backups/2026-12-01',
    options: [JSON_OUTPUT],
    load: () => import('./commands/backup.js'),
  },
  {
    name: 'get',
    args: '<etype> <eid>',
    sentence: 'Show the record of an entity.',
    details:
      'Where no observation is valid now, the newest is shown, and since when it has expired; --json has it under newest and expired. The history is shown newest first; --json lists it by t1.',
    example: 'get ip 192.0.2.1 --history --last 20 --attr open_ports',
    options: [
      JSON_OUTPUT,
      WIDE,
      { flags: '--history', sentence: 'include the history of observations and time series' },
      { flags: '--from <time>', sentence: 'only history rows valid at or after this time' },
      { flags: '--to <time>', sentence: 'only history rows valid at or before this time' },
      { flags: '--attr <name>', sentence: 'only this attribute' },
      {
        flags: '--last <n>',
        sentence: 'only the newest history rows, this many per attribute (default: 1000 unless --json)',
      },
      { flags: '--limit <n>', sentence: 'only the oldest history rows, this many per attribute' },
    ],
    load: () => import('./commands/get.js'),
  },
  {
    name: 'list',
    args: '<etype>',
    sentence: 'List the entities of a type and when they were last updated.',
    example: 'list ip --limit 100 --json',
    options: [
      JSON_OUTPUT,
      WIDE,
      { flags: '--values', sentence: 'with the values that hold now: plain attributes and valid observations' },
      { flags: '--count', sentence: 'only how many there are' },
      { flags: '--limit <n>', sentence: 'at most this many entities' },
      { flags: '--after <eid>', sentence: 'start after this id' },
    ],
    load: () => import('./commands/list.js'),
  },
  {
    name: 'route',
    args: '<etype> [eid]',
    sentence:
      'Show which worker an entity belongs to; with - instead of ETYPE EID, for each JSON line {"etype","eid"} on stdin.',
    example: 'route ip 192.0.2.1 --processes 4',
    options: [JSON_OUTPUT, WIDE, PROCESSES],
    load: () => import('./commands/route.js'),
  },
  {
    name: 'quarantine list',
    sentence: 'List the tasks that could not be processed, with the reason for each.',
    example: 'quarantine list --json',
    options: [JSON_OUTPUT, WIDE],
    load: () => import('./commands/quarantine-list.js'),
  },
  {
    name: 'quarantine show',
    args: '<id>',
    sentence: 'Show a task in quarantine, with its message. The begin of an id is enough where it is the only one.',
    example: 'quarantine show 0b0fcb1c-6c1a-4a4e-9a57-8d4e8f1f2a3b',
    options: [JSON_OUTPUT, WIDE],
    load: () => import('./commands/quarantine-show.js'),
  },
  {
    name: 'quarantine retry',
    args: '[id]',
    sentence:
      'Put tasks back into their queues; they run after later tasks of their entities. The program must be running.',
    example: 'quarantine retry --all',
    options: [JSON_OUTPUT, { flags: '--all', sentence: 'all tasks now in quarantine' }],
    load: () => import('./commands/quarantine-retry.js'),
  },
  {
    name: 'quarantine drop',
    args: '[id]',
    sentence: 'Delete tasks from quarantine for good. The program must be running.',
    example: 'quarantine drop 0b0fcb1c-6c1a-4a4e-9a57-8d4e8f1f2a3b',
    options: [JSON_OUTPUT, { flags: '--all', sentence: 'all tasks now in quarantine' }],
    load: () => import('./commands/quarantine-drop.js'),
  },
];
