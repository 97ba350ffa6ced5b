/**
 * Reload: index by index, with new code and configuration. A worker drains, its successor starts from what is on disk now and
 * must be ready before the next index is touched; nothing is lost, doubled or reordered, since an index has one owner at a time.
 * What the old model does not know waits in the old workers meanwhile. The first successor that fails stops the reload: its index
 * waits until one can start, the others go on as they are.
 */
import type { Logger } from '../observability/logger.js';
import type { Supervisor } from './supervisor.js';

export interface ReloadResult {
  readonly ok: boolean;
  readonly sentence: string;
}

export class Reloader {
  private running = false;

  /** `refusal` reads the configuration anew and says why it can not be taken over without a restart, or null. */
  constructor(
    private readonly supervisor: Supervisor,
    private readonly refusal: () => Promise<string | null>,
    private readonly log: Logger,
  ) {}

  async reload(progress: (sentence: string) => void = () => {}): Promise<ReloadResult> {
    if (this.running) return { ok: false, sentence: 'a reload is under way already' };
    if (this.supervisor.isStopping) return { ok: false, sentence: 'the program is stopping' };
    this.running = true;
    this.supervisor.reloading(true);
    try {
      const result = await this.replaceAll(progress);
      if (result.ok) this.log.info('reloaded', { indexes: this.supervisor.slots.length });
      else this.log.error('reload failed', { why: result.sentence });
      return result;
    } finally {
      this.supervisor.reloading(false);
      this.running = false;
    }
  }

  private async replaceAll(progress: (sentence: string) => void): Promise<ReloadResult> {
    const refused = await this.refusal();
    if (refused !== null) return { ok: false, sentence: refused };
    for (const slot of this.supervisor.slots) {
      if (this.supervisor.isStopping) return { ok: false, sentence: 'the program is stopping' };
      if (!(await this.supervisor.replace(slot))) {
        const sentence = `the new worker of index ${slot.index} did not start; see the log. Indexes after it keep their old workers`;
        return { ok: false, sentence };
      }
      progress(`index ${slot.index} reloaded`);
    }
    return { ok: true, sentence: `reloaded ${this.supervisor.slots.length} indexes` };
  }
}
