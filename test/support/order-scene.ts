/** Senders that send one after another, each a process with a clock of its own, and an index that consumes; all of one data folder. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { environmentNames, openFolder } from '../../lib/embedded/folder.js';
import type { TestProcess } from './queue-programs.js';
import { FOLDER } from './queue-stream.js';

export class OrderScene {
  readonly sent: string[] = [];
  private readonly joined = new Set<TestProcess>();
  private readonly gotBefore: number;
  private consuming = false;
  private shiftMs = 0;

  constructor(
    private readonly path: string,
    private readonly senders: readonly TestProcess[],
    private readonly consumer: TestProcess,
  ) {
    this.gotBefore = consumer.got.length;
  }

  get got(): string[] {
    return this.consumer.got.slice(this.gotBefore);
  }

  async send(who: number): Promise<void> {
    const sender = this.senders[who]!;
    if (!this.joined.has(sender)) await sender.order({ order: 'join', path: this.path });
    this.joined.add(sender);
    const id = `${this.sent.length}`;
    await sender.order({ order: 'send', id });
    this.sent.push(id);
  }

  /** The clock of the computer is set. */
  async stepClock(ms: number): Promise<void> {
    this.shiftMs += ms;
    const everyone = [...this.senders, this.consumer];
    await Promise.all(everyone.map((each) => each.order({ order: 'shift-clock', ms: this.shiftMs })));
  }

  /** Its environment is the next one's who joins. */
  async leave(who: number): Promise<void> {
    const sender = this.senders[who]!;
    if (this.joined.delete(sender)) await sender.order({ order: 'leave' });
  }

  async consume(): Promise<void> {
    if (!this.consuming) await this.consumer.order({ order: 'consume', path: this.path });
    this.consuming = true;
  }

  async stopConsuming(): Promise<void> {
    if (this.consuming) await this.consumer.order({ order: 'leave' });
    this.consuming = false;
  }

  /** Everything that was sent is done. */
  async consumed(): Promise<void> {
    await this.consume();
    const before = this.gotBefore;
    await this.consumer.until('got', () => this.consumer.got.length === before + this.sent.length);
  }

  /** What senders have left behind is taken away, once all of it is done. */
  async removeSenders(): Promise<void> {
    if (this.sent.length > 0) await this.consumed();
    for (const who of this.senders.keys()) await this.leave(who);
    for (const name of environmentNames(openFolder(this.path, FOLDER))) {
      if (name.startsWith('producer-')) rmSync(join(this.path, name), { recursive: true });
    }
  }

  /** Nobody runs, and what was not forced to the disk is gone. */
  async restartComputer(): Promise<void> {
    for (const who of this.senders.keys()) await this.leave(who);
    await this.stopConsuming();
    rmSync(join(this.path, 'clock'), { force: true });
  }
}
