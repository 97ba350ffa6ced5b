/** `node --import dp3-cluster/typescript`: loads TypeScript as modules are loaded, for tests and scripts of an application. */
import { loadTypeScript } from '../lib/hooks/typescript.js';

loadTypeScript();
