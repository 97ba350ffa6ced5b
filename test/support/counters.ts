/**
 * An application that counts: each `counter` gets the numbers 0, 1, 2 ... in order, keeps all of them and the last one, and names its
 * `group` once, when it is created. What the records must say in the end follows from what was sent.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Application } from './application.js';

const COUNTER = `
entity: { id: counter, id_data_type: string, name: Counter, snapshot: false }
attribs:
  last: { name: Last number, type: plain, data_type: int }
  seen: { name: Numbers, type: observations, data_type: int, multi_value: true, history_params: { max_age: 365d, aggregate: false } }
`;
const GROUP = `
entity: { id: group, id_data_type: string, name: Group, snapshot: false }
attribs:
  members: { name: Counters, type: observations, data_type: link<counter>, multi_value: true, history_params: { max_age: 365d, aggregate: false } }
`;
const DISORDER = `
entity: { id: disorder, id_data_type: string, name: Number out of order, snapshot: false }
attribs:
  found: { name: What was found, type: plain, data_type: string }
`;
/** Numbers come in order exactly when the last one is always one less than how many there are. */
const GROUPS = `
import { defineModule } from '${'PACKAGE'}';
export default defineModule({
  onEntityCreation: {
    counter: (eid, task, { task: make }) => [
      make('group', 'g' + (Number(eid.slice(1)) % 10), [{ attr: 'members', v: { eid }, t1: '2026-01-01T00:00:00Z' }]),
    ],
  },
  onNewPlain: {
    counter: {
      last: (eid, point, { record, task }) => {
        const { plain, observations } = record();
        const found = plain.last.v + ' of ' + observations.seen.count;
        return plain.last.v === observations.seen.count - 1 ? [] : [task('disorder', eid, [{ attr: 'found', v: found }])];
      },
    },
  },
});
`;

export class CountingApplication {
  readonly application: Application;
  /** How many numbers each counter was sent. */
  readonly sent = new Map<string, number>();
  private files = 0;

  /** `settings`: lines of `processing_core`. */
  constructor(settings = '', numProcesses = 2) {
    this.application = new Application({
      settings: `
app: counters
processing_core:
  worker_processes: ${numProcesses}
  enabled_modules: [groups]
  msg_broker: { kind: embedded }
  store: { kind: embedded, path: ../data }
  respawn: { limit: 100000, backoff: 0.01s, backoff_max: 0.05s }
${settings}
logging: { format: json }
`,
      entities: { counter: COUNTER, group: GROUP, disorder: DISORDER },
      modules: { groups: GROUPS },
    });
  }

  /** A file with the next \`rounds\` numbers of each of these counters, round by round. */
  nextFile(counters: readonly string[], rounds: number): string {
    const lines: string[] = [];
    for (let round = 0; round < rounds; round++) {
      for (const id of counters) {
        const n = this.sent.get(id) ?? 0;
        this.sent.set(id, n + 1);
        const t1 = new Date(Date.UTC(2026, 0, 1) + n * 1000).toISOString();
        lines.push(JSON.stringify({ type: 'counter', id, attr: 'seen', v: n, t1 }));
        lines.push(JSON.stringify({ type: 'counter', id, attr: 'last', v: n }));
      }
    }
    const file = join(this.application.folder, `points-${this.files++}.jsonl`);
    writeFileSync(file, `${lines.join('\n')}\n`);
    return file;
  }
}
