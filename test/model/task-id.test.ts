import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { deliveryIdOf, idOfPositions, newTaskId } from '../../lib/model/task-id.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[48][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const body = Buffer.from('{"etype":"ip"}');
const other = Buffer.from('{"etype":"bus"}');

describe('a task id', () => {
  test('is new every time, or what the given source draws', () => {
    const ids = new Set(Array.from({ length: 1000 }, () => newTaskId()));
    expect(ids.size).toBe(1000);
    for (const id of ids) expect(id).toMatch(UUID);
    expect(newTaskId(() => 'drawn')).toBe('drawn');
  });

  test('made of positions in a file is the same again for the same file and positions alone', () => {
    const id = idOfPositions('digest', [1, 2, 3]);
    expect(id).toMatch(UUID);
    expect(idOfPositions('digest', [1, 2, 3])).toBe(id);
    const others = [
      idOfPositions('digest', [1, 2]),
      idOfPositions('digest', [1]),
      idOfPositions('digest', [12, 3]),
      idOfPositions('digest', [1, 2, 3, 4]),
      idOfPositions('other', [1, 2, 3]),
    ];
    expect(new Set([id, ...others]).size).toBe(6);
    for (const different of others) expect(different).toMatch(UUID);
  });

  test('made of positions sorts by the first one', () => {
    const ids = [0, 1, 9, 10, 255, 256, 70_000, 2 ** 40].map((first) => idOfPositions('digest', [first, first + 7]));
    expect([...ids].sort()).toEqual(ids);
  });
});

describe('the id of a delivery', () => {
  test('is the message id where that is ours or a uuid4', () => {
    for (const id of [randomUUID(), newTaskId(), idOfPositions('digest', [1])]) expect(deliveryIdOf(id, body)).toBe(id);
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
