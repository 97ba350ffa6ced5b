/** Writes the generated pages of docs: the keys of the configuration and the errors; run by `npm run docs` in the folder of the package. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { referencePage } from '../lib/config/reference.js';
import { errorsPage } from './errors-page.js';

writeFileSync(join(process.cwd(), 'docs', 'configuration.md'), referencePage());
writeFileSync(join(process.cwd(), 'docs', 'errors.md'), errorsPage());
