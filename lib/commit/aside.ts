/** Put aside: the result of a task that goes to quarantine with its reason, and changes nothing else. */
import type { QuarantineReason, TaskResult } from '../model/record.js';

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
