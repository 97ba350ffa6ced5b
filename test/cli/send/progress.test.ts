import { describe, expect, it } from 'vitest';
import { progressLine } from '../../../lib/cli/send/progress.js';

describe('the progress of a send', () => {
  const progress = { bytes: 50, totalBytes: 200, points: 1_000, refused: 0, seconds: 2, obstacle: null };

  it('is a bar where the size is known, and figures', () => {
    expect(progressLine(progress)).toBe('[######..................] 25 %  1000 sent  500/s');
    expect(progressLine({ ...progress, totalBytes: null, refused: 2, obstacle: 'full' })).toBe(
      '1000 sent  2 refused  a queue is full, waiting',
    );
    expect(progressLine({ ...progress, obstacle: 'alarm' })).toContain('1000 sent  the broker is in alarm, waiting');
    expect(progressLine({ ...progress, bytes: 300 })).toContain('[########################] 100 %');
  });
});
