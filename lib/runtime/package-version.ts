/** Version of this program, as its package says. */
import { readFileSync } from 'node:fs';

/** The package's file stands above dist/lib/runtime as well as above lib/runtime, at another distance. */
export function versionOfPackage(): string {
  for (const above of ['../../../package.json', '../../package.json']) {
    try {
      const found: unknown = JSON.parse(readFileSync(new URL(above, import.meta.url), 'utf8'));
      const { name, version } = found as { readonly name?: string; readonly version?: string };
      if (name === 'dp3-cluster' && version !== undefined) return version;
    } catch {
      // Not there: it is the other one.
    }
  }
  return 'unknown';
}
