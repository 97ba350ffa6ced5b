/** Entry: a result on its way into a commit, with what is needed to execute its task again. */
import type { Delivery } from '../model/delivery.js';
import type { QuarantineReason, TaskResult } from '../model/record.js';

/** `Again` is what the lanes take back; null for what never was in a lane (a message that could not be read, a misrouted task). */
export interface Entry<Again> {
  readonly delivery: Delivery;
  readonly result: TaskResult;
  readonly key: string | null;
  readonly again: Again | null;
  /** Of a task that no delivery has brought (emissions.ts): called once it is committed. */
  readonly durable?: () => void;
}

export function isDelivered({ durable }: Pick<Entry<unknown>, 'durable'>): boolean {
  return durable === undefined;
}

/** The result of a task that is put aside with its reason; it changes nothing else. */
export function quarantinedResult(
  reason: QuarantineReason,
  entity: { readonly etype: string | null; readonly eid: string | null } = { etype: null, eid: null },
): TaskResult {
  const { etype, eid } = entity;
  return { outcome: 'quarantined', etype, eid, history: [], raw: [], derived: [], reason };
}

/** The longest reason of a result that is put aside bare. */
const BARE_LETTERS = 500;

/** The same where the store refuses to note that: what stands in it cannot be the cause. `withoutId`: nor can its id in the inbox. */
export function bareResult({ code, sentence }: QuarantineReason, withoutId = false): TaskResult {
  const plain = sentence.replaceAll(/[^ -~]/g, '?').slice(0, BARE_LETTERS);
  return quarantinedResult({ code, sentence: plain, bare: true, ...(withoutId && { withoutId }) });
}
