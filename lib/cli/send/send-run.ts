/** One run of `send`, from the open queue to its end: what an earlier one left open, then the input, or its contents one after the other. */
import type { Configuration } from '../../config/configuration.js';
import type { Edition } from '../../journal/edition.js';
import type { Journal } from '../../journal/journal.js';
import { passSent, SpanReader } from '../../journal/spans.js';
import type { DataPoint } from '../../model/datapoint.js';
import type { ModelSpec } from '../../model/spec.js';
import type { TaskWriter } from '../../queue/queue.js';
import type { Clock } from '../../runtime/clock.js';
import { BLOCK_BOUNDS, type BlockBounds, readBlocks } from './blocks.js';
import { contentsOf } from './follow.js';
import { type Input, PipeInput } from './input.js';
import { endWhenInterrupted } from './interruption.js';
import type { Place } from './item.js';
import { BEGINNING, itemCutter, unpacked } from './items.js';
import { linesCutter } from './lines.js';
import { digested, lotsWithoutLines } from './lots.js';
import { type OPEN, openedBlocks, openJournal } from './own-journal.js';
import { Pace } from './pace.js';
import type { Rejects } from './rejects.js';
import { Sender } from './sender.js';
import { type CHANGED, SentBefore } from './sent-before.js';
import { TaskStreams } from './task-streams.js';
import type { RefusedItem } from './tasks.js';
import { tellWaiting } from './waiting.js';

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
  readonly rejects: Rejects;
  readonly writer: TaskWriter;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Reads a data-point. @throws TaskRefused */
  readonly read: (raw: unknown) => DataPoint;
  readonly screen: SendScreen;
}

/** What is told meanwhile. */
export interface SendScreen {
  note(sentence: string): void;
  refused(item: RefusedItem): void;
  progress(): void;
}

export class SendRun {
  readonly streams = new TaskStreams();
  /** Null before there is one. */
  sender: Sender | null = null;
  sentBefore: SentBefore | null = null;
  /** Null where the input is sent once. */
  journal: Journal | null = null;
  /** What is being read. */
  private input: Input;
  private readonly pace: Pace;
  /** With a pace, what is sent at once is a block: so an interruption leaves none that is sent in part. */
  private readonly bounds: BlockBounds;

  constructor(private readonly options: SendRunOptions) {
    this.input = options.input;
    this.pace = new Pace(options.choices.rate, options.clock);
    this.bounds = { ...BLOCK_BOUNDS, items: Math.min(BLOCK_BOUNDS.items, this.pace.portion) };
  }

  /** Throws what ends it; what came of it by then stands in its members. */
  async run(): Promise<void> {
    const { writer, signal, clock, configuration, screen } = this.options;
    const note = (sentence: string) => screen.note(sentence);
    tellWaiting(writer, { configuration, signal, clock, note });
    writer.onObstacle(() => screen.progress());
    const endWaiting = endWhenInterrupted({ signal, writer, clock, note, endReading: () => this.input.end() });
    try {
      await this.send();
    } finally {
      endWaiting();
    }
  }

  close(): Promise<void> | undefined {
    return this.journal?.close();
  }

  get bytesRead(): number {
    return this.input.bytesRead;
  }

  private async send(): Promise<void> {
    const { configuration, choices, input, signal, clock, screen } = this.options;
    const { name, follow } = choices;
    const blocksOf = (from: Input) => this.digestedBlocks(this.unpacked(from), from, null);
    const blocksBehind = (from: Input, edition: Edition) => this.blocksBehind(from, edition);
    const note = (sentence: string) => screen.note(sentence);
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
    const { configuration, choices, clock, screen } = this.options;
    const { numProcesses, inbox } = configuration;
    const blocks = await openedBlocks(journal, {
      decision: choices.open,
      numProcesses,
      retentionMs: inbox.retentionMs,
      nowMs: clock.now(),
      streams: this.streams,
    });
    if (blocks.length === 0) return;
    const skipped = blocks.every(({ header }) => header.skipped === true);
    screen.note(
      `an earlier send of ${journal.name} broke off: what it had begun is ${skipped ? 'left out' : 'finished first'}`,
    );
    await sender.repeat(blocks, journal);
  }

  private async follow(sentBefore: SentBefore): Promise<void> {
    const { input, signal, clock, screen } = this.options;
    for await (const { content, next } of contentsOf({ path: input.path ?? '', signal, clock })) {
      this.input = content;
      if (next === null) await sentBefore.send(content);
      else {
        screen.note(`${content.path} was ${next}: what is there now is sent from its beginning`);
        await sentBefore.sendWhole(content);
      }
    }
  }

  private makeSender(): Sender {
    const { configuration, spec, rejects, writer, signal, clock, read, screen } = this.options;
    const { numProcesses, message } = configuration;
    return new Sender({
      making: { spec, numProcesses, messageBytes: message.bytes, streams: this.streams, read },
      writer,
      pace: this.pace,
      rejects,
      journal: this.journal,
      signal,
      clock,
      onRefused: (item) => screen.refused(item),
      onProgress: () => screen.progress(),
    });
  }

  private blocksOf(input: Input) {
    return this.cut(this.unpacked(input), input, null);
  }

  private digestedBlocks(chunks: AsyncIterable<Buffer>, input: Input, from: Place | null) {
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
  private cut(chunks: AsyncIterable<Buffer>, input: Input, from: Place | null) {
    const { configuration, choices } = this.options;
    const { bytes } = configuration.message;
    // A file pauses where its disk is slow: more of it comes.
    const bounds = input instanceof PipeInput ? this.bounds : { ...this.bounds, pauseMs: Number.POSITIVE_INFINITY };
    const areLines = choices.follow || from !== null;
    return readBlocks(chunks, areLines ? linesCutter(bytes, from ?? BEGINNING) : itemCutter(bytes), bounds);
  }
}
