/**
 * Reload: role by role, with new code and configuration. A worker drains, its successor starts from what is on disk now and
 * must be ready before the next index is touched; nothing is lost, doubled or reordered, since an index has one owner at a time.
 * What the old model does not know waits in the old workers meanwhile. The first successor that fails stops the reload: its index
 * waits until one can start, the others go on as they are.
 */
import type { Logger } from '../observability/logger.js';
import { messageOf } from '../runtime/errors.js';
import type { Supervisor } from './supervisor.js';

export interface ReloadResult {
  readonly ok: boolean;
  readonly sentence: string;
}

/** What stands on disk now: why it cannot be taken over, or how the primary takes over its own part of it. */
export type Prepared = { readonly refusal: string } | { readonly takeOver: () => void; readonly configDir: string };

export class Reloader {
  private running = false;

  /** `prepare` reads the configuration anew and tries it; `configDir` is where that came from last, a real path. */
  constructor(
    private readonly supervisor: Supervisor,
    private readonly prepare: () => Promise<Prepared>,
    private configDir: string,
    private readonly log: Logger,
  ) {}

  /** `expectedDir`: the configuration folder that whoever asks means, which may be one that this program knows no way to. */
  async reload(progress: (sentence: string) => void = () => {}, expectedDir?: string): Promise<ReloadResult> {
    if (this.running) return { ok: false, sentence: 'a reload is under way already' };
    if (this.supervisor.isStopping) return { ok: false, sentence: 'the program is stopping' };
    this.running = true;
    this.supervisor.reloading(true);
    try {
      const result = await this.replaceAll(progress, expectedDir);
      if (result.ok) this.log.info('reloaded', { indexes: this.indexes, config: this.configDir });
      else this.log.error('reload failed', { why: result.sentence });
      return result;
    } finally {
      this.supervisor.reloading(false);
      this.running = false;
    }
  }

  private get indexes(): number {
    return this.supervisor.slots.filter(({ role }) => role.index !== null).length;
  }

  private async replaceAll(progress: (sentence: string) => void, expectedDir?: string): Promise<ReloadResult> {
    const prepared = await this.tried();
    if ('refusal' in prepared) return { ok: false, sentence: prepared.refusal };
    const { takeOver, configDir } = prepared;
    const moved = configDir === this.configDir ? '' : ` from ${configDir}`;
    takeOver();
    this.configDir = configDir;
    for (const slot of this.supervisor.slots) {
      if (this.supervisor.isStopping) return { ok: false, sentence: 'the program is stopping' };
      if (!(await this.supervisor.replace(slot))) {
        const sentence = `${slot.role.name} was drained, and its successor did not start; see the log. Indexes after it keep their old workers`;
        return { ok: false, sentence };
      }
      progress(slot.role.index === null ? `${slot.role.kind} reloaded` : `index ${slot.role.index} reloaded`);
    }
    const reloaded = `reloaded ${this.indexes} indexes`;
    if (expectedDir === undefined || expectedDir === configDir) return { ok: true, sentence: `${reloaded}${moved}` };
    const other = `not from ${expectedDir}, which this command was called for: start the program by the path of the link`;
    return { ok: true, sentence: `${reloaded} from ${configDir}, ${other}` };
  }

  private async tried(): Promise<Prepared> {
    try {
      return await this.prepare();
    } catch (error) {
      return { refusal: messageOf(error) };
    }
  }
}
