/** Writes docs/configuration.md from the schema; run by `npm run docs` in the folder of the package. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { referencePage } from '../lib/config/reference.js';

writeFileSync(join(process.cwd(), 'docs', 'configuration.md'), referencePage());
