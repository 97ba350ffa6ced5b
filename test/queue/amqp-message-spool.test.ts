import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type HeldMessage, MessageSpool } from '../../lib/queue/amqp/held-queue.js';

it('gives back what was put into it, in order, in parts', () => {
  const header = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(undefined), fc.constant(null));
  const message = fc.record({
    properties: fc.record({ messageId: header, headers: fc.dictionary(fc.string(), header) }),
    content: fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
  });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 20 }), fc.integer({ min: 1, max: 7 }), (messages, most) => {
      const spool = new MessageSpool();
      for (const each of messages) spool.add(each as unknown as HeldMessage);
      const found: HeldMessage[] = [];
      for (let part = spool.next(most); part.length > 0; part = spool.next(most)) {
        expect(part.length).toBeLessThanOrEqual(most);
        found.push(...part);
      }
      spool.close();
      expect(found).toEqual(messages);
    }),
  );
});
