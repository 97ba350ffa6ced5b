/** A program that sends numbers of seven entities, a few calls at once, until it is killed; writes each number that is confirmed. */
import { openProducer } from '../../dist/lib/index.js';

const [config, etype, prefix, attr, most] = process.argv.slice(2);
const AT_ONCE = 20;

const onObstacle = (obstacle) => console.log(obstacle === null ? 'goes on' : `waits ${obstacle.kind}`);
const producer = await openProducer({ config, onObstacle, onNote: (sentence) => console.error(sentence) });
console.log('open');
const calls = [];
for (let n = 0; n < Number(most); n++) {
  const point = { type: etype, id: `${prefix}${n % 7}`, attr, v: n, t1: new Date(Date.UTC(2026, 0, 1) + n * 1000) };
  calls.push(producer.send([point]).then(() => console.log(`confirmed ${n}`)));
  if (calls.length >= AT_ONCE) await calls.shift();
}
await Promise.all(calls);
await producer.close({ timeout: 30_000 });
console.log('closed');
