/** A queue of the broker seen from outside, with nothing of the program in between. */
import amqp, { type Channel, type ConsumeMessage } from 'amqplib';
import { onTestFinished } from 'vitest';

export class RawQueue {
  /** What has arrived and was acknowledged, in order. */
  readonly messages: ConsumeMessage[] = [];
  private readonly looks = new Set<() => void>();

  private constructor(
    readonly channel: Channel,
    private readonly name: string,
  ) {}

  /** A channel of its own; closed when the test ends. */
  static async of(url: string, name: string): Promise<RawQueue> {
    const connection = await amqp.connect(url);
    // A test may end the broker.
    connection.on('error', () => {});
    onTestFinished(() => connection.close().catch(() => {}));
    const channel = await connection.createChannel();
    channel.on('error', () => {});
    return new RawQueue(channel, name);
  }

  get ids(): string[] {
    return this.messages.map(({ properties }) => String(properties.messageId));
  }

  async depth(): Promise<number> {
    return (await this.channel.checkQueue(this.name)).messageCount;
  }

  /** Takes what comes, acknowledging each; `pauseMs` after each message makes it slow. */
  async consume(options: { readonly prefetch?: number; readonly pauseMs?: number } = {}): Promise<this> {
    await this.channel.prefetch(options.prefetch ?? 500);
    const take = (message: ConsumeMessage | null) => {
      if (message === null) return;
      this.channel.ack(message);
      this.messages.push(message);
      for (const look of [...this.looks]) look();
    };
    await this.channel.consume(this.name, (message) => {
      if (options.pauseMs === undefined) take(message);
      else setTimeout(take, options.pauseMs, message);
    });
    return this;
  }

  /** Resolves once these ids have all arrived. */
  async all(ids: Iterable<string>): Promise<void> {
    const missing = new Set(ids);
    let seen = 0;
    await new Promise<void>((resolve) => {
      const look = () => {
        for (; seen < this.messages.length; seen++) missing.delete(String(this.messages[seen]!.properties.messageId));
        if (missing.size > 0) return;
        this.looks.delete(look);
        resolve();
      };
      this.looks.add(look);
      look();
    });
  }
}

/** The ids without repeats, each where it stood first: what an inbox leaves of them. */
export function firstOfEach(ids: readonly string[]): string[] {
  return [...new Set(ids)];
}
