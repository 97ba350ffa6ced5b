import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { createTaskMaker } from '../../lib/hooks/task-maker.js';
import { stringifyJson } from '../../lib/model/json.js';
import { readProducerPoint } from '../../lib/model/producer.js';
import { parseTask } from '../../lib/model/task-parse.js';
import { loadTestModel } from '../support/model.js';
import { anyMessage } from '../support/task-arbitrary.js';

const spec = loadTestModel();
/** What a package may leave on the prototype of all objects. */
const LEFT = {
  delete: true,
  tags: 5,
  ttl_tokens: 5,
  ttlTokens: 5,
  expire_at: 'x',
  depth: 7,
  t1: 'x',
  t2: 'x',
  c: 9,
  src: 5,
};

afterEach(() => {
  for (const name of Object.keys(LEFT)) Reflect.deleteProperty(Object.prototype, name);
});

/** What the call gives while the prototype of all objects has more on it. */
function touched<T>(call: () => T, enumerable: boolean): T {
  for (const [name, value] of Object.entries(LEFT)) {
    Object.defineProperty(Object.prototype, name, { value, enumerable, configurable: true, writable: true });
  }
  try {
    return call();
  } finally {
    for (const name of Object.keys(LEFT)) Reflect.deleteProperty(Object.prototype, name);
  }
}

describe.each([true, false])('with more on the prototype of all objects (enumerable %s)', (enumerable) => {
  it('messages are read as before', () => {
    const bodies = fc.sample(anyMessage, 200).map((message) => Buffer.from(stringifyJson(message)));
    const before = bodies.map((body) => parseTask(body, spec));
    const after = touched(() => bodies.map((body) => parseTask(body, spec)), enumerable);
    expect(after).toEqual(before);
  });

  it("data-points of producers and of modules are read as before, and a module's task is no delete", () => {
    const point = { type: 'bus', id: '1', attr: 'special', v: 'x' };
    const own = { attr: 'special', v: 'x' };
    const maker = createTaskMaker(spec);
    const cause = { t1: null, t2: null, c: 1 };
    const all = () => [
      readProducerPoint(point, spec),
      maker.make(1, 'bus', '1', [own]),
      maker.make(1, 'bus', '1', [own], {}),
      maker.ownPoint({ etype: 'bus', eid: '1' }, own, cause, '2026-01-01T00:00:00.000000Z' as never),
    ];
    const before = all();
    expect(touched(all, enumerable)).toEqual(before);
    expect(before[1]).toMatchObject({ delete: false });
  });
});
