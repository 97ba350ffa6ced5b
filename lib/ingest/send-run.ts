/** One send, from the open queue to its end: what an earlier one left open, then the input, or its contents one after the other. */
import type { Configuration } from '../config/configuration.js';
import type { DataPoint } from '../model/datapoint.js';
import type { ModelSpec } from '../model/spec.js';
import type { TaskWriter } from '../queue/queue.js';
import { Placement } from '../routing/placement.js';
import type { Clock } from '../runtime/clock.js';
import { BLOCK_BOUNDS, type BlockBounds, readBlocks } from './blocks.js';
import { contentsOf } from './follow.js';
import { type Input, PipeInput } from './input.js';
import { type OPEN, openedBlocks, openJournal } from './input-journal.js';
import type { InputPlace } from './item.js';
import { BEGINNING, itemCutter, unpacked } from './items.js';
import type { Edition } from './journal/edition.js';
import type { Journal } from './journal/journal.js';
import { passSent, SpanReader } from './journal/spans.js';
import { jsonLinesCutter } from './json-lines.js';
import { digested, lotsWithoutLines } from './lots.js';
import { Pace } from './pace.js';
import { Sender } from './sender.js';
import { type CHANGED, SentBefore } from './sent-before.js';
import { type RefusedItem, TaskStreams } from './tasks.js';

/** What it is told on its command line. */
export interface SendChoices {
  /** Data-points a second; null for no limit. */
  readonly rate: number | null;
  /** `--stream`; null for the path of the file. */
  readonly name: string | null;
  readonly again: boolean;
  readonly changed: (typeof CHANGED)[number] | null;
  readonly open: (typeof OPEN)[number] | null;
  readonly follow: boolean;
}

export interface SendRunOptions {
  readonly configuration: Configuration;
  readonly spec: ModelSpec;
  readonly choices: SendChoices;
  readonly input: Input;
  readonly writer: TaskWriter;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Reads a data-point. @throws TaskRefused */
  readonly read: (raw: unknown) => DataPoint;
  /** Told what a person should know of how the input is taken. */
  note(sentence: string): void;
  /** As a sender tells it. */
  refused(items: readonly RefusedItem[]): void;
  progress(): void;
}

/** What came of a send so far: data-points, where nothing else is said. */
export interface SendCounts {
  /** In their queues. */
  readonly sent: number;
  /** Tasks that they are in. */
  readonly tasks: number;
  /** Those of them that an earlier send had begun to send. */
  readonly repeated: number;
  /** Of the input, without those that were finished first in this run. */
  readonly sentBefore: number;
  /** Tasks that may be in their queues. */
  readonly unconfirmed: number;
  /** Taken from the input and not known to be sent. */
  readonly unsent: number;
  /** Streams that were used, by index. */
  readonly streams: Readonly<Record<string, string>>;
}

export const NOTHING_SENT: SendCounts = {
  sent: 0,
  tasks: 0,
  repeated: 0,
  sentBefore: 0,
  unconfirmed: 0,
  unsent: 0,
  streams: {},
};

export class SendRun {
  private readonly streams = new TaskStreams();
  private readonly placement: Placement;
  /** Null before there is one. */
  private sender: Sender | null = null;
  private sentBefore: SentBefore | null = null;
  /** Null where the input is sent once. */
  journal: Journal | null = null;
  /** What is being read. */
  private input: Input;
  private readonly pace: Pace;
  /** With a pace, what is sent at once is a block: so an interruption leaves none that is sent in part. */
  private readonly bounds: BlockBounds;

  constructor(private readonly options: SendRunOptions) {
    this.input = options.input;
    this.placement = new Placement(options.configuration.numProcesses);
    this.pace = new Pace(options.choices.rate, options.clock);
    this.bounds = { ...BLOCK_BOUNDS, items: Math.min(BLOCK_BOUNDS.items, this.pace.portion) };
  }

  get counts(): SendCounts {
    if (this.sender === null) return NOTHING_SENT;
    const { points, tasks, repeated, taken, unsure } = this.sender;
    return {
      sent: points,
      tasks,
      repeated,
      sentBefore: Math.max(0, (this.sentBefore?.count ?? 0) - repeated),
      unconfirmed: unsure,
      unsent: taken - (points - repeated),
      streams: this.streams.numbers,
    };
  }

  get bytesRead(): number {
    return this.input.bytesRead;
  }

  /** Nothing more is read; what was read is sent, unless it is read again next time. */
  endReading(): void {
    this.input.end();
  }

  close(): Promise<void> | undefined {
    return this.journal?.close();
  }

  /** Throws what ends it; what came of it by then is counted. */
  async run(): Promise<void> {
    const { configuration, choices, input, signal, clock, note } = this.options;
    const { name, follow } = choices;
    const blocksOf = (from: Input) => this.digestedBlocks(this.unpacked(from), from, null);
    const blocksBehind = (from: Input, edition: Edition) => this.blocksBehind(from, edition);
    this.journal = await openJournal(input, { configuration, name, clock, signal, blocksOf, note });
    if (signal.aborted) return;
    const { journal } = this;
    this.sender = this.makeSender();
    if (journal === null) {
      await this.sender.send(lotsWithoutLines(this.blocksOf(input)));
      return;
    }
    await this.finishOpened(journal, this.sender);
    if (signal.aborted) return;
    this.sentBefore = new SentBefore({
      ...choices,
      journal,
      sender: this.sender,
      signal,
      blocksOf,
      blocksBehind,
      note,
    });
    if (follow) await this.follow(this.sentBefore);
    else {
      if (input instanceof PipeInput && !journal.isEmpty) await input.keepIn(configuration.send.stateDir);
      await this.sentBefore.send(input);
    }
  }

  private async finishOpened(journal: Journal, sender: Sender): Promise<void> {
    const { configuration, choices, clock, note } = this.options;
    const { inbox } = configuration;
    const blocks = await openedBlocks(journal, {
      decision: choices.open,
      placement: this.placement,
      retentionMs: inbox.retentionMs,
      nowMs: clock.now(),
      streams: this.streams,
    });
    if (blocks.length === 0) return;
    const skipped = blocks.every(({ header }) => header.skipped === true);
    note(
      `an earlier send of ${journal.name} broke off: what it had begun is ${skipped ? 'left out' : 'finished first'}`,
    );
    await sender.repeat(blocks, journal);
  }

  private async follow(sentBefore: SentBefore): Promise<void> {
    const { input, signal, clock, note } = this.options;
    for await (const { content, next } of contentsOf({ path: input.path ?? '', signal, clock })) {
      this.input = content;
      if (next === null) await sentBefore.send(content);
      else {
        note(`${content.path} was ${next}: what is there now is sent from its beginning`);
        await sentBefore.sendWhole(content);
      }
    }
  }

  private makeSender(): Sender {
    const { configuration, spec, writer, signal, clock, read, refused, progress } = this.options;
    const { message } = configuration;
    return new Sender({
      making: { spec, placement: this.placement, messageBytes: message.bytes, streams: this.streams, read },
      writer,
      pace: this.pace,
      journal: this.journal,
      signal,
      clock,
      refused,
      progress,
    });
  }

  private blocksOf(input: Input) {
    return this.cut(this.unpacked(input), input, null);
  }

  private digestedBlocks(chunks: AsyncIterable<Buffer>, input: Input, from: InputPlace | null) {
    const spans = new SpanReader(from?.bytes ?? 0);
    return digested(this.cut(spans.pass(chunks), input, from), spans);
  }

  private async blocksBehind(input: Input, edition: Edition) {
    const { passed, rest } = await passSent(this.unpacked(input), edition);
    const from = passed.bytes === 0 ? null : { ...passed, position: passed.items };
    return { blocks: this.digestedBlocks(rest, input, from), passed };
  }

  private unpacked(input: Input): AsyncIterable<Buffer> {
    return this.options.choices.follow ? input.chunks() : unpacked(input.chunks());
  }

  /** `from`: where it begins, if that is not the beginning of the input. */
  private cut(chunks: AsyncIterable<Buffer>, input: Input, from: InputPlace | null) {
    const { configuration, choices } = this.options;
    const { bytes } = configuration.message;
    // A file pauses where its disk is slow: more of it comes.
    const bounds = input instanceof PipeInput ? this.bounds : { ...this.bounds, pauseMs: Number.POSITIVE_INFINITY };
    const areLines = choices.follow || from !== null;
    return readBlocks(chunks, areLines ? jsonLinesCutter(bytes, from ?? BEGINNING) : itemCutter(bytes), bounds);
  }
}
