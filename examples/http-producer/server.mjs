// @ts-check
/**
 * An HTTP endpoint that takes data-points: POST /points with a JSON array. 204 once all of them are durable in their queues.
 */
import { createServer } from 'node:http';
import { ApplicationError, openProducer } from 'dp3-cluster';

const LARGEST_BODY = 1024 * 1024;
/** What the client is told, by the code of the error; anything else is a fault of ours. */
const STATUS = new Map([
  ['MESSAGE_INVALID', 422],
  ['PRODUCER_FULL', 503],
  ['QUEUE_UNAVAILABLE', 503],
]);

const producer = await openProducer({
  config: process.argv[2] ?? 'config',
  onNote: (sentence) => console.error(sentence),
  onObstacle: (obstacle) => console.error(obstacle === null ? 'sending goes on' : `sending waits: ${obstacle.why}`),
});

const server = createServer((request, response) => {
  answer(request).then(
    ({ status, text }) => response.writeHead(status, status === 503 ? { 'retry-after': '1' } : {}).end(text),
    (error) => {
      console.error(error);
      response.writeHead(500).end();
    },
  );
});
server.listen(Number(process.env['PORT'] ?? 8080), '127.0.0.1', () => {
  const address = server.address();
  console.log(`listening on port ${typeof address === 'object' && address !== null ? address.port : address}`);
});

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop);

/** First no more requests, then what they sent is confirmed, then the connection goes. */
async function stop() {
  await new Promise((resolve) => server.close(resolve));
  await producer.close({ timeout: 5_000 });
}

/** @param {import('node:http').IncomingMessage} request */
async function answer(request) {
  if (request.method !== 'POST' || request.url !== '/points') return { status: 404, text: 'POST /points\n' };
  let text = '';
  request.setEncoding('utf8');
  for await (const chunk of request) {
    text += chunk;
    if (text.length > LARGEST_BODY) return { status: 413, text: `at most ${LARGEST_BODY} characters\n` };
  }
  try {
    await producer.send(JSON.parse(text));
    return { status: 204, text: '' };
  } catch (error) {
    if (error instanceof SyntaxError) return { status: 400, text: `${error.message}\n` };
    const status = error instanceof ApplicationError ? STATUS.get(error.code) : undefined;
    if (status === undefined) throw error;
    return { status, text: `${error instanceof Error ? error.message : error}\n` };
  }
}
