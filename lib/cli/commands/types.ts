/** `types`: writes what the model is to the compiler, or with --check says whether what was written is still true. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { requireConfiguration } from '../../config/load.js';
import { modelDeclaration } from '../../hooks/model-declaration.js';
import { ApplicationError } from '../../runtime/errors.js';
import { READABLE_FILE } from '../../runtime/own-files.js';
import { counted } from '../../runtime/printable.js';
import type { Run } from '../command.js';
import { typesFileOf, typesState } from '../types-file.js';

export const run: Run = async ({ request, option, has, output }) => {
  const { configuration, spec } = requireConfiguration(request);
  const out = option('out');
  const file = out === undefined ? typesFileOf(configuration) : resolve(out);
  const state = typesState(file, spec);
  const say = (sentence: string, written: boolean) =>
    has('json') ? output.json({ file, state, written }) : output.line(sentence);
  if (has('check')) {
    const what = state === 'missing' ? 'there is no such file' : 'not those of the model; run: npx dp3-cluster types';
    await say(state === 'current' ? `${file}: current` : `${file}: ${what}`, false);
    return state === 'current' ? 0 : 1;
  }
  if (state === 'foreign') {
    throw new ApplicationError(
      'USAGE',
      `${file} was not written by this command and is left as it is; name another (--out)`,
    );
  }
  if (state !== 'current') writeFileSync(file, modelDeclaration(spec), { mode: READABLE_FILE });
  const what =
    state === 'current' ? 'current, left as it is' : `written, ${counted(spec.entities.size, 'entity type')}`;
  await say(`${file}: ${what}`, state !== 'current');
  return 0;
};
