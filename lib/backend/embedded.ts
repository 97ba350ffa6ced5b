/**
 * The embedded backend: queue and store in the environments of one data folder. Reader, writer and store of a worker share the environment
 * that it has joined as.
 */
import type { Configuration } from '../config/configuration.js';
import { backUpFolder } from '../embedded/backup.js';
import { type FolderSettings, isOlder, openFolder, readFolder } from '../embedded/folder.js';
import { FORMAT_CHANGES, newestFormat } from '../embedded/formats.js';
import { joinAsIndex, joinAsIndexes, joinAsProducer, type Participant } from '../embedded/participant.js';
import { bringUpFolder } from '../embedded/upgrade.js';
import type { Problem } from '../model/problem.js';
import { EmbeddedReader } from '../queue/embedded/source.js';
import { EmbeddedWriter } from '../queue/embedded/writer.js';
import { ApplicationError } from '../runtime/errors.js';
import { EmbeddedStoreReader } from '../store/embedded/reader.js';
import { EmbeddedStore } from '../store/embedded/store.js';
import { historiesOf } from '../store/history-retention.js';
import type { StoreReader } from '../store/store.js';
import {
  type Backend,
  type BackUpRequest,
  type Backup,
  type Made,
  madeOrThere,
  type Producer,
  type ProducerOptions,
  type WorkerBackend,
  type WorkerPlace,
} from './backend.js';
import { waitForOwnership } from './ownership-wait.js';
import { startProducer } from './producer.js';

/** What a process that drains may need beyond its shutdown_time. */
const SHUTDOWN_SLACK_MS = 250;

export class EmbeddedBackend implements Backend {
  readonly spansHosts = false;

  constructor(private readonly configuration: Configuration) {}

  get destination(): string {
    return `${this.configuration.app}, embedded`;
  }

  async openWorker(place: WorkerPlace): Promise<WorkerBackend> {
    const { store } = this.configuration;
    const { index, log } = place;
    const folder = openFolder(store.path, this.settings);
    const participant = await waitForOwnership(() => joinAsIndex(folder, index, store), this.waitIn(place));
    participant.peers.onTrouble((environment, why) => {
      if (why === null) log.info('an environment of the data folder can be read again', { environment });
      else log.warn('an environment of the data folder cannot be read; its tasks wait', { environment, why });
    });
    return this.workerOf(participant, place);
  }

  async openWorkers(place: Omit<WorkerPlace, 'index'>): Promise<readonly WorkerBackend[]> {
    const { numProcesses, store } = this.configuration;
    const folder = openFolder(store.path, this.settings);
    const indexes = Array.from({ length: numProcesses }, (_, index) => index);
    const participants = await joinAsIndexes(folder, indexes, store);
    return participants.map((participant, index) => this.workerOf(participant, { ...place, index }));
  }

  private workerOf(participant: Participant, place: WorkerPlace): WorkerBackend {
    const { broker, store: kept, inbox, window, normalEvery } = this.configuration;
    const { spec, index, clock, time } = place;
    const { retentionMs: inboxRetentionMs } = inbox;
    const { rawRetentionMs } = kept;
    const store = new EmbeddedStore(participant, {
      inboxRetentionMs,
      rawRetentionMs,
      histories: historiesOf(spec),
      clock,
      time,
    });
    return {
      reader: new EmbeddedReader(participant, { index, limits: { ...window, normalEvery }, clock }),
      writer: new EmbeddedWriter(participant, { maxLength: broker.maxLength, clock }),
      store,
      own: (stopping) => waitForOwnership(() => store.own(index), { ...this.waitIn(place), stopping }),
      leave: () => participant.leave(),
    };
  }

  /** Whoever owns an index can only be a process of this program that drains. */
  private waitIn({ clock, waiting }: WorkerPlace) {
    return { mostMs: this.configuration.shutdownTimeMs + SHUTDOWN_SLACK_MS, clock, waiting };
  }

  async openProducer({ note, signal }: ProducerOptions = {}): Promise<Producer> {
    const { broker, store } = this.configuration;
    const participant = await joinAsProducer(openFolder(store.path, this.settings), store, note, signal);
    const writer = new EmbeddedWriter(participant, { maxLength: broker.maxLength });
    const close = async () => {
      await writer.stop();
      await participant.leave();
    };
    return startProducer({ writer, close }, signal);
  }

  openStoreReader(): StoreReader {
    const { path, ...options } = this.configuration.store;
    return new EmbeddedStoreReader(path, options);
  }

  async setUp(): Promise<readonly Made[]> {
    const { store } = this.configuration;
    const before = readFolder(store.path);
    const folder = openFolder(store.path, this.settings);
    const { path, format, numProcesses, delivery } = folder;
    if (!isOlder(folder)) {
      const what = `data folder ${path} for ${numProcesses} worker processes, ${delivery}`;
      return [madeOrThere(before === null, what, 'is')];
    }
    await bringUpFolder(folder, store);
    const newest = newestFormat(folder.changes).format;
    return [{ made: true, sentence: `brought data folder ${path} from format ${format.format} to ${newest}` }];
  }

  /** A start finds out by itself what is wrong with its folder. */
  async problemsOfStart(): Promise<readonly Problem[]> {
    return [];
  }

  async problems(): Promise<readonly Problem[]> {
    return [];
  }

  async rehearse(changes = FORMAT_CHANGES): Promise<void> {
    const folder = readFolder(this.configuration.store.path, changes);
    if (folder === null || !isOlder(folder)) return;
    const formats = `format ${folder.format.format}, what is on disk by now writes format ${newestFormat(folder.changes).format}`;
    const sentence = `restart needed: data folder ${folder.path} has ${formats}; stop the program and start it again`;
    throw new ApplicationError('RESTART_NEEDED', sentence);
  }

  async backUp({ target, clock, progress }: BackUpRequest): Promise<Backup> {
    const { store } = this.configuration;
    const folder = readFolder(store.path);
    if (folder === null)
      throw new ApplicationError('STORE_FAILED', `there is no data folder ${store.path}: nothing to back up`);
    return backUpFolder(folder, target, { ...store, clock, progress });
  }

  private get settings(): FolderSettings {
    const { numProcesses, delivery } = this.configuration;
    return { numProcesses, delivery };
  }
}
