/** What the author of a module imports; nothing else of this package is public. */
export { defineModule, type Module } from './hooks/define.js';
export type * from './hooks/types.js';
