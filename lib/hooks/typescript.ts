/**
 * TypeScript: makes this process load modules written in it, by the rules of Node.js itself: types are taken away, nothing else
 * changes, so lines and columns of errors stay true and only what can be taken away may be used (no enum, no namespace, no parameter
 * property). From Node.js 22.18 on that is built in; before, a hook does it with the same compiler that is inside Node.js.
 *
 * Refused: a build step (a reload would load what was compiled last, not what was written last), and a loader that brings a compiler
 * as another process (each worker would carry one, and code would mean something else under a newer Node.js).
 */
import { register } from 'node:module';

/** From now on this process can import `.ts` and `.mts` files. May be called again. */
export function loadTypeScript(): void {
  if ('typescript' in process.features && process.features.typescript !== false) return;
  register('./typescript-hooks.js', import.meta.url);
}
