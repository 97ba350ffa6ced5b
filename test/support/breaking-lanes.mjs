/** Loaded into a program before all else: its executor fails on every entity whose id begins with `break`, after its hooks have run. */
import { Records } from '../../dist/lib/store/records.js';

const { put } = Records.prototype;
Records.prototype.put = function (key, view) {
  if (/^\w+:break/.test(key)) throw new Error(`${key} breaks on purpose`);
  put.call(this, key, view);
};
