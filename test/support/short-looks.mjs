/** Loaded into a worker before all else: it looks for lost tasks twice a second. */
import { Losses } from '../../dist/lib/worker/losses.js';

const { start } = Losses.prototype;
Losses.prototype.start = function () {
  Object.assign(this.options, { intervalMs: 500 });
  return start.call(this);
};
