/**
 * Module frames: of the stack of an error that module code threw, the frames of that code. Those of this package and of Node.js say nothing to its
 * author, and hide his own.
 */
import { type Plain, plainOf } from './serialise.js';

/** This package as frames name it: they have paths or URLs. */
const OWN = new URL('..', import.meta.url);
const FRAME = /^ +at /;

/** The error as plain data, its causes and those of an AggregateError among it. */
export function withModuleFrames(error: unknown): Plain {
  return shortened(plainOf(error));
}

function shortened(value: Plain): Plain {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(shortened);
  const fields = Object.entries(value).map(([name, field]) => [
    name,
    name === 'stack' && typeof field === 'string' ? ofModules(field) : shortened(field),
  ]);
  return Object.assign(Object.create(null), Object.fromEntries(fields));
}

function ofModules(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => !FRAME.test(line) || !isInternal(line))
    .join('\n');
}

function isInternal(frame: string): boolean {
  return (
    frame.includes(OWN.href) || frame.includes(`(${OWN.pathname}`) || /\(node:|at node:|<anonymous>\)$/.test(frame)
  );
}
