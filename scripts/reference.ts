/** Writes the generated pages of docs: the keys of the configuration, the errors and the tables of the data model; run by `npm run docs` in the folder of the package. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { referencePage } from '../lib/config/reference.js';
import { errorsPage } from './errors-page.js';
import { modelPage } from './model-page.js';

writeFileSync(join(process.cwd(), 'docs', 'configuration.md'), referencePage());
writeFileSync(join(process.cwd(), 'docs', 'errors.md'), errorsPage());
const model = join(process.cwd(), 'docs', 'model.md');
writeFileSync(model, modelPage(readFileSync(model, 'utf8')));
