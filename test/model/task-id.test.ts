import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  deliveryIdOf,
  LAST_POSITION,
  newStream,
  newTaskId,
  sequencedId,
  sequencedOf,
} from '../../lib/model/task-id.js';
import { systemRandom } from '../../lib/runtime/random.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[48][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const body = Buffer.from('{"etype":"ip"}');
const other = Buffer.from('{"etype":"bus"}');

describe('a task id', () => {
  test('is new every time, or what the given source draws', () => {
    const ids = new Set(Array.from({ length: 1000 }, () => newTaskId()));
    expect(ids.size).toBe(1000);
    for (const id of ids) expect(id).toMatch(UUID);
    expect(newTaskId({ ...systemRandom, uuid: () => 'drawn' })).toBe('drawn');
  });
});

describe('a sequenced id', () => {
  const position = fc.oneof(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: LAST_POSITION }));

  test('is a uuid of version 8 that tells its stream and its position', () => {
    fc.assert(
      fc.property(position, (n) => {
        const stream = newStream();
        const id = sequencedId({ stream, n });
        expect(id).toMatch(UUID);
        expect(id.charAt(14)).toBe('8');
        expect(sequencedOf(id)).toEqual({ stream, n });
        expect(deliveryIdOf(id.toUpperCase(), body)).toBe(id);
      }),
    );
  });

  test('sorts by its position', () => {
    const stream = newStream();
    const ids = [1, 2, 15, 16, 255, 256, 70_000, 2 ** 32, LAST_POSITION].map((n) => sequencedId({ stream, n }));
    expect([...ids].sort()).toEqual(ids);
  });

  test('has a position of 40 bits', () => {
    const stream = newStream();
    for (const n of [0, -1, 1.5, LAST_POSITION + 1, Number.NaN])
      expect(() => sequencedId({ stream, n })).toThrow(`given ${n}, allowed are 1 to ${LAST_POSITION}`);
    expect(sequencedOf(sequencedId({ stream, n: 1 }).slice(0, -1).concat('0'))).toBeNull();
  });

  test('uses all 62 bits of what was drawn for its stream', () => {
    const drawn = (hex: string) => newStream({ ...systemRandom, bytes: () => Buffer.from(hex, 'hex') });
    expect(drawn('ffffffffffffffff')).toBe('fffffffffffffffb');
    expect(drawn('0000000000000000')).toBe('0000000000000008');
    expect(drawn('123456789abcdef4')).toBe('123456789abcdef8');
    const streams = new Set(Array.from({ length: 1_000 }, () => newStream()));
    expect(streams.size).toBe(1_000);
  });

  test('is no uuid4, and no hash of a foreign id or body looks like one', () => {
    expect(sequencedOf(randomUUID())).toBeNull();
    const id = sequencedId({ stream: newStream(), n: 7 });
    expect(sequencedOf(`${id.slice(0, 14)}4${id.slice(15)}`)).toBeNull();
    expect(sequencedOf(`${id}0`)).toBeNull();
    expect(sequencedOf('')).toBeNull();
    // Found by counting: the hash of this body has the 20 bits of the tag.
    const unlucky = deliveryIdOf(undefined, Buffer.from('body 2399123'));
    expect(unlucky).toMatch(/^330f309b-698c-86d9-95e9-c/);
    expect(sequencedOf(unlucky)).toBeNull();
  });
});

describe('the id of a delivery', () => {
  test('is the message id where that is ours or a uuid4', () => {
    for (const id of [randomUUID(), newTaskId(), sequencedId({ stream: newStream(), n: 1 })])
      expect(deliveryIdOf(id, body)).toBe(id);
    const id = randomUUID();
    expect(deliveryIdOf(id.toUpperCase(), body)).toBe(id);
  });

  test.each([
    ['a counter', '17'],
    ['a uuid1 (time and host)', 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6'],
    ['a uuid with more behind it', `${randomUUID()}x`],
    ['nothing', ''],
    ['a very long one', 'x'.repeat(10_000)],
  ])('takes %s together with the body', (_, messageId) => {
    const id = deliveryIdOf(messageId, body);
    expect(id).toMatch(UUID);
    expect(deliveryIdOf(messageId, Buffer.from(body))).toBe(id);
    expect(deliveryIdOf(messageId, other)).not.toBe(id);
    expect(deliveryIdOf(`${messageId}1`, body)).not.toBe(id);
  });

  test('is one of the body where there is no message id', () => {
    expect(deliveryIdOf(undefined, body)).toMatch(UUID);
    expect(deliveryIdOf(undefined, body)).toBe(deliveryIdOf(undefined, Buffer.from(body)));
    expect(deliveryIdOf(undefined, body)).not.toBe(deliveryIdOf(undefined, other));
  });
});
