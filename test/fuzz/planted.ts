/** A door with faults that were planted: it ends over "crash", hangs over "hang", and loses "loose". */
import type { Door } from './door.js';

export const door: Door = {
  together: 4,
  make: (random) => ['', 'good', 'go to loose ends'][Math.floor(random() * 3)]!,
  async open() {
    return {
      async check(inputs) {
        const has = (fault: string) => inputs.findIndex((input) => String(input).includes(fault));
        if (has('crash') >= 0) process.exit(7);
        if (has('hang') >= 0) for (;;);
        return has('loose') < 0 ? null : { why: 'it is lost', at: has('loose') };
      },
      close: async () => {},
    };
  },
};
