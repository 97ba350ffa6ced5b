/**
 * Requests of a control socket, read from its line: whoever may enter the folder may write anything. What is not one of ControlRequest,
 * field by field, is refused in a sentence and reaches nobody.
 */
import type { ControlReply, ControlRequest, Question } from './messages.js';
import { otherCommand, ownSpeaker, speakerOf, understands } from './protocol.js';

/** Longer than any id of a task. */
const MOST_ID_CHARACTERS = 1_000;
const TYPES = ['status', 'stop', 'reload', 'ask'] as const;

export type Asked = { readonly request: ControlRequest } | { readonly refusal: ControlReply };

/** What a line asks for, or what to answer instead. */
export function readAsked(line: string): Asked {
  const given = objectIn(line);
  if (given === null)
    return refused('a request is a JSON object in one line, as long as processing_core.control.request_bytes allows');
  const type = given['type'];
  // Whoever asks may see what runs, and stop it. All else is for commands that this program understands.
  if (type === 'status' || type === 'stop') return { request: { type } };
  const asker = speakerOf(given);
  if (!understands(asker)) return refusedAs(type, otherCommand(ownSpeaker(), asker));
  if (type === 'reload') return readReload(given);
  if (type === 'ask') return readQuestion(given);
  return refused(`this request is not known; its type is one of ${TYPES.join(', ')}`);
}

function readReload({ configDir }: RequestFields): Asked {
  if (configDir === undefined) return { request: { type: 'reload' } };
  if (typeof configDir !== 'string') return refused('configDir of a reload is the path of a folder');
  return { request: { type: 'reload', configDir } };
}

function readQuestion({ index, question: given }: RequestFields): Asked {
  if (typeof index !== 'number' || !Number.isSafeInteger(index) || index < 0) {
    return refusedAs('ask', 'index is a process index, a number from 0');
  }
  const question = isObject(given) ? questionOf(ownKeys(given)) : null;
  if (question === null) {
    return refusedAs('ask', 'a question is {"type":"quarantine","action":"retry" or "drop","task":an id}');
  }
  return { request: { type: 'ask', index, question } };
}

function questionOf({ type, action, task }: RequestFields): Question | null {
  if (type !== 'quarantine' || (action !== 'retry' && action !== 'drop')) return null;
  if (typeof task !== 'string' || task === '' || task.length > MOST_ID_CHARACTERS) return null;
  return { type, action, task };
}

type RequestFields = Readonly<Record<string, unknown>>;

function objectIn(line: string): RequestFields | null {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? ownKeys(value) : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Without a prototype: what a module has put on that of all objects was not asked for. */
function ownKeys(value: object): RequestFields {
  return Object.assign(Object.create(null), value);
}

function refused(sentence: string): Asked {
  return { refusal: { type: 'done', ok: false, sentence } };
}

/** Whoever asks waits for an answer of this form. */
function refusedAs(type: unknown, why: string): Asked {
  return type === 'ask' ? { refusal: { type: 'answer', answer: { ok: false, why } } } : refused(why);
}
