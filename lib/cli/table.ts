/** The table of commands: what each is called, says in its help and takes. A new one is a line here and a file in commands/. */
import type { Command, Option } from './command.js';

const JSON_OUTPUT: Option = { flags: '--json', sentence: 'print JSON' };
const PROCESSES: Option = {
  flags: '--processes <n>',
  sentence: 'number of worker processes, over the configuration',
  key: 'processing_core.worker_processes',
};
const STOP_EXIT_CODE: Option = {
  flags: '--stop-exit-code <n>',
  sentence: 'exit code of a stop in order (0 where not given), for a supervisor to which a kill is 0: pm2',
};
const INDEXES: Option = {
  flags: '--indexes <list>',
  sentence: 'only the programs of these process indexes, such as 0-3,5',
};

/** What the help says of the first word of commands that have two. */
export const GROUPS: Readonly<Record<string, string>> = {
  quarantine: 'List, show, retry or drop the tasks that could not be processed.',
};

export const COMMANDS: readonly Command[] = [
  {
    name: 'check',
    sentence: 'Read the whole configuration, name every mistake with its file and key, print what holds.',
    details:
      'The modules are imported and their hooks registered, as a start would: their code runs. Of their settings, texts are shown by their length alone; what has the name or the form of a secret is never shown.',
    example: 'check --config config --env production',
    options: [
      JSON_OUTPUT,
      { flags: '--show-values', sentence: 'show the texts in the settings of modules, too' },
      { flags: '--no-modules', sentence: 'run no code of modules; their files and hooks are not checked' },
    ],
    load: () => import('./commands/check.js'),
  },
  {
    name: 'types',
    sentence: 'Write the types of the model, so that a module with a misspelt name or a wrong value does not compile.',
    details:
      'The file fills the types of this package; a module imports nothing of it. It must be part of the TypeScript program (include of tsconfig.json).',
    example: 'types --config config --out dp3-model.d.ts',
    options: [
      JSON_OUTPUT,
      { flags: '--out <file>', sentence: 'where to write it (dp3-model.d.ts beside the configuration folder)' },
      { flags: '--check', sentence: 'write nothing; exit code 1 when the file is missing or of another model' },
    ],
    load: () => import('./commands/types.js'),
  },
  {
    name: 'init',
    args: '<folder>',
    sentence: 'Make a new application: configuration, an entity type, a module in TypeScript with its test.',
    example: 'init my-profiles',
    options: [
      JSON_OUTPUT,
      { flags: '--name <name>', sentence: 'name of the application (that of the folder)' },
      { flags: '--package <what>', sentence: 'how its package.json names dp3-cluster (the version that runs)' },
    ],
    load: () => import('./commands/init.js'),
  },
  {
    name: 'setup',
    sentence: 'Make what a start needs: data folder, or tables, exchanges and queues. Changes nothing the second time.',
    details:
      'With --repair, queues that lose tasks as they were declared are made anew with all that waits in them. Stop senders and programs first. When it was broken off, run it again: it goes on.',
    example: 'setup --config config',
    options: [JSON_OUTPUT, PROCESSES, { flags: '--repair', sentence: 'make queues anew that lose tasks as they are' }],
    load: () => import('./commands/setup.js'),
  },
  {
    name: 'start',
    sentence:
      'Run the workers, in the foreground; the log goes to stderr. Ctrl-C or SIGTERM stops in order, a second one at once; SIGHUP reloads.',
    example: 'start --processes 4 --indexes 0-1',
    options: [
      PROCESSES,
      { flags: '--indexes <list>', sentence: 'process indexes that run here, such as 0-3,5 (all where not given)' },
      STOP_EXIT_CODE,
    ],
    load: () => import('./commands/start.js'),
  },
  {
    name: 'worker',
    args: '<index>',
    sentence: 'Run one worker alone, in the foreground, for a supervisor or container of your own.',
    example: 'worker 0 --processes 4',
    options: [PROCESSES, STOP_EXIT_CODE],
    load: () => import('./commands/worker.js'),
  },
  {
    name: 'stop',
    sentence: 'Stop the running programs in order, wait until they are gone, say how they ended.',
    example: 'stop',
    options: [JSON_OUTPUT, INDEXES],
    load: () => import('./commands/stop.js'),
  },
  {
    name: 'reload',
    sentence: 'Have the running programs take over new code and configuration, index by index, without loss.',
    example: 'reload',
    options: [JSON_OUTPUT, INDEXES],
    load: () => import('./commands/reload.js'),
  },
  {
    name: 'status',
    sentence: 'Show the running workers, their queues and the store. Exit code 1 when nothing runs.',
    details:
      'A dash stands for what nobody knows at the moment: the figures of a worker that is down or has just started are its own.',
    example: 'status --watch',
    options: [
      JSON_OUTPUT,
      { flags: '--hooks', sentence: 'show the hooks of the modules too' },
      { flags: '--watch', sentence: 'draw it anew each second, on a terminal' },
    ],
    load: () => import('./commands/status.js'),
  },
  {
    name: 'send',
    args: '[file]',
    sentence: 'Send data-points of a file, or of stdin (-), as tasks into the queues.',
    details: [
      'FILE holds objects {"type","id","attr","v","t1","t2","c","src"}, one a line, printed over several lines, or in JSON arrays; also gzipped. Where it is broken (a gzip file that is cut short, an array that is not closed), what stands before is sent, and the place is named.',
      'A data-point that the model does not allow is refused alone: named with its line on stderr, and kept in a file of rejects as {"line","reason","input"}. What DP3 ignores without a word, such as a key that the model does not have, is taken, and the summary says how much there was; --strict refuses it. When a queue is full, or the broker is away or in alarm, send waits and says why. The order within an entity is kept.',
      'send keeps in a journal what it sent of each file (send.state), and compares the file with what was sent of it last. So the same command can be repeated after a send broke off, and a file that has grown be sent again: each line is sent once. A moved file keeps its journal, a copy has its own. A file with none of the lines that were sent last is sent as a whole. Where some lines are others now, nothing is sent, and --changed says what is to be. A corrected file of rejects is read as it is. Stdin is sent as it comes; with --stream NAME it is compared as a file is, whatever comes under that name.',
      'A send that broke off leaves a block of which nobody knows how much was sent. The next one finishes it under the same ids, and the workers skip what they have. Where they may know them no more (half of processing_core.inbox.retention has passed, the number of processes is another, or the clock stands before that time), nothing is sent, and --open says what becomes of it.',
      '--follow goes on with what is written to the file, line by line, also when it is rotated or cut short, until Ctrl-C.',
      'Ctrl-C and SIGTERM end it within a second, or it says what it waits for; the summary tells what is new, what was sent before, and the numbers of its streams, by which a loss is told. A second signal ends it at once, without a summary.',
      'Exit code 0 when everything was sent, 1 when something was refused, the input could not be read to its end or the send was interrupted; 2 when nothing is sent before --changed or --open is given; after a second signal that of the signal (130 for Ctrl-C, 143 for SIGTERM).',
    ].join('\n\n'),
    example: 'send points.jsonl.gz --rejects bad.jsonl',
    options: [
      JSON_OUTPUT,
      PROCESSES,
      { flags: '--rate <n>', sentence: 'data-points a second, at most' },
      {
        flags: '--rejects <file>',
        sentence: 'where to put what is refused (<file>.rejected.jsonl, rejected.jsonl for stdin)',
      },
      { flags: '--strict', sentence: 'refuse data-points of which something would be ignored, such as an unknown key' },
      { flags: '--again', sentence: 'send everything once more' },
      { flags: '--changed <what>', sentence: 'where lines that were sent have changed: send new-lines, or all' },
      {
        flags: '--open <what>',
        sentence: 'a block that an earlier send left open for too long: send it again, or skip it',
      },
      { flags: '--follow', sentence: 'go on with what is written to the file, until Ctrl-C' },
      {
        flags: '--stream <name>',
        sentence: 'compare with what was last sent under this name, instead of the path of the file',
      },
    ],
    load: () => import('./commands/send.js'),
  },
  {
    name: 'get',
    args: '<etype> <eid>',
    sentence: 'Show the record of an entity.',
    example: 'get ip 192.0.2.1 --history --from 2026-11-01 --attr open_ports',
    options: [
      JSON_OUTPUT,
      { flags: '--history', sentence: 'with the history of observations and time series' },
      { flags: '--from <time>', sentence: 'rows of the history that are valid at or after this time' },
      { flags: '--to <time>', sentence: 'rows of the history that are valid at or before this time' },
      { flags: '--attr <name>', sentence: 'this attribute only' },
      { flags: '--limit <n>', sentence: 'rows of the history of each attribute, at most' },
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
      { flags: '--limit <n>', sentence: 'entities, at most' },
      { flags: '--after <eid>', sentence: 'begin behind this id' },
    ],
    load: () => import('./commands/list.js'),
  },
  {
    name: 'route',
    args: '<etype> [eid]',
    sentence:
      'Show to which worker an entity belongs; with - instead of ETYPE EID, for JSON lines {"etype","eid"} on stdin.',
    example: 'route ip 192.0.2.1 --processes 4',
    options: [JSON_OUTPUT, PROCESSES],
    load: () => import('./commands/route.js'),
  },
  {
    name: 'quarantine list',
    sentence: 'List the tasks that could not be processed, with the reason of each.',
    example: 'quarantine list --json',
    options: [JSON_OUTPUT],
    load: () => import('./commands/quarantine-list.js'),
  },
  {
    name: 'quarantine show',
    args: '<id>',
    sentence: 'Show a task in quarantine with its message.',
    example: 'quarantine show 0b0fcb1c-6c1a-4a4e-9a57-8d4e8f1f2a3b',
    options: [JSON_OUTPUT],
    load: () => import('./commands/quarantine-show.js'),
  },
  {
    name: 'quarantine retry',
    args: '[id]',
    sentence: 'Put tasks back into their queues; they run after later tasks of their entities. The program must run.',
    example: 'quarantine retry --all',
    options: [JSON_OUTPUT, { flags: '--all', sentence: 'all tasks that are in quarantine now' }],
    load: () => import('./commands/quarantine-retry.js'),
  },
  {
    name: 'quarantine drop',
    args: '<id>',
    sentence: 'Remove a task from quarantine for good. The program must run.',
    example: 'quarantine drop 0b0fcb1c-6c1a-4a4e-9a57-8d4e8f1f2a3b',
    options: [JSON_OUTPUT],
    load: () => import('./commands/quarantine-drop.js'),
  },
];
