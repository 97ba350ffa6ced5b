import { describe, expect, it, onTestFinished } from 'vitest';
import { openApplication, type TestApplication } from '../../lib/testing/application.js';
import { PACKAGE_URL } from '../support/application.js';
import { makeFolder } from '../support/folder.js';

const IP = `
entity: { id: ip, id_data_type: ipv4, name: IP, snapshot: false }
attribs:
  hostname: { name: Hostname, type: plain, data_type: string }
  ports: { name: Ports, type: observations, data_type: array<int>, history_params: { max_age: 7d } }
`;
const NETWORK = `
entity: { id: network, name: Network, snapshot: false }
attribs: { hosts: { name: Hosts, type: plain, data_type: int } }
`;

/** The application of one module, whose definition this is. */
async function open(definition: string): Promise<TestApplication> {
  const dir = makeFolder({
    'default.yml': 'processing_core: { modules_dir: ., enabled_modules: [one] }\n',
    'db_entities/thing.yml': null,
    'db_entities/ip.yml': IP,
    'db_entities/network.yml': NETWORK,
    'one.mjs': `import { defineModule } from '${PACKAGE_URL}';\nexport default defineModule({ ${definition} });\n`,
  });
  const application = await openApplication({ config: dir });
  onTestFinished(() => application.close());
  return application;
}

const name = (application: TestApplication, eid: string, v = 'a') =>
  application.task('ip', eid, [{ attr: 'hostname', v }]);

describe('an application in memory', () => {
  it('executes a task and all that are derived from it, and shows their records', async () => {
    const application = await open(
      "onEntityCreation: { ip: (eid, _, { task }) => [task('network', eid.slice(0, 5), [{ attr: 'hosts', v: 1 }])] }",
    );
    const executed = await application.process(name(application, '192.0.2.1'));
    expect(executed.map(({ task, outcome }) => [task.key, outcome])).toEqual([
      ['ip:192.0.2.1', 'applied'],
      ['network:192.0', 'applied'],
    ]);
    expect(application.record('network', '192.0')?.plain['hosts']?.v).toBe(1);
    expect(application.record('network', '193.0')).toBeNull();
    expect(await application.process(name(application, '192.0.2.1', 'b'))).toHaveLength(1);
    expect(application.record('ip', '192.0.2.1')?.plain['hostname']?.v).toBe('b');
  });

  it('deletes as a worker does', async () => {
    const application = await open('');
    await application.process(name(application, '192.0.2.1'));
    const [deleted] = await application.process(application.task('ip', '192.0.2.1', [], { delete: true }));
    expect(deleted?.outcome).toBe('deleted');
    expect(application.record('ip', '192.0.2.1')).toBeNull();
  });

  it('rejects where a hook fails, with module, hook and entity', async () => {
    const application = await open("onNewPlain: { ip: { hostname() { throw new Error('on purpose'); } } }");
    await expect(application.process(name(application, '192.0.2.1'))).rejects.toThrow(
      'module one, onNewPlain.ip.hostname (ip:192.0.2.1): on purpose',
    );
  });

  it('rejects where a hook returns what it may not', async () => {
    const application = await open('onNewPlain: { ip: { hostname: () => 5 } }');
    await expect(application.process(name(application, '192.0.2.1'))).rejects.toThrow(
      /returned 5, allowed is a list of/,
    );
  });

  it('rejects where a chain goes on forever', async () => {
    const application = await open(
      "onNewPlain: { ip: { hostname: (eid, { v }, { task }) => [task('ip', eid, [{ attr: 'hostname', v }])] } }",
    );
    await expect(application.process(name(application, '192.0.2.1'))).rejects.toThrow(/would go to quarantine: /);
  });

  it('runs the jobs of a module at once', async () => {
    const application = await open(
      "scheduled: { cron: '0 0 0 1 1 *', on: 'index-0', run: ({ task }) => [task('network', 'n', [{ attr: 'hosts', v: 2 }])] }",
    );
    await application.runJobs('one');
    expect(application.record('network', 'n')?.plain['hosts']?.v).toBe(2);
    expect(() => application.runJobs('two')).toThrow('the module two has no scheduled jobs');
  });

  it('executes what a module emits when it starts', async () => {
    const application = await open("start: ({ task, emit }) => emit(task('network', 'n', [{ attr: 'hosts', v: 3 }]))");
    expect(application.record('network', 'n')?.plain['hosts']?.v).toBe(3);
  });

  it('does not open with a mistake in a module, and names it', async () => {
    await expect(open('onTaskStrat() {}')).rejects.toThrow(/one\.mjs onTaskStrat: .*Did you mean "onTaskStart"/);
  });

  it('takes tasks one at a time, in the order in which they were given', async () => {
    const application = await open(
      'onNewPlain: { ip: { hostname: async (_, { v }) => { await new Promise((resolve) => setTimeout(resolve, v)); } } }',
    );
    await Promise.all(['9', '5', '1'].map((ms) => application.process(name(application, '192.0.2.1', ms))));
    expect(application.record('ip', '192.0.2.1')?.plain['hostname']?.v).toBe('1');
  });
});
