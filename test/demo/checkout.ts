/** A checkout of its own with the compiled program and the example, so that a test of the demo replaces nobody's data. */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killQuietly } from '../support/application.js';
import { Run, Terminal } from '../support/run.js';

/** What the build looks at. */
const SOURCES = ['lib', 'bin', 'bench', 'services', 'demo', 'tsconfig.json', 'tsconfig.build.json'];
const ROOT = join(import.meta.dirname, '..', '..');

export class Checkout {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'dp3-demo-')));
  readonly example = join(this.folder, 'examples', 'mail-reputation');

  private readonly demoFile = join(this.folder, 'dist', 'demo', 'main.js');

  /** `environment`: what is set for everything that is started here. */
  constructor(private readonly environment: Readonly<Record<string, string>> = {}) {
    cpSync(join(ROOT, 'dist'), join(this.folder, 'dist'), { recursive: true });
    const isData = (path: string) => path.startsWith(join(ROOT, 'examples', 'mail-reputation', 'data'));
    cpSync(join(ROOT, 'examples', 'mail-reputation'), this.example, {
      recursive: true,
      filter: (path) => !isData(path),
    });
    for (const name of ['package.json', 'scripts']) {
      cpSync(join(ROOT, name), join(this.folder, name), { recursive: true, preserveTimestamps: true });
    }
    for (const name of [...SOURCES, 'node_modules']) symlinkSync(join(ROOT, name), join(this.folder, name));
  }

  /** Starts the demo. */
  demo(...args: readonly string[]): Run {
    return this.start([this.demoFile, ...args]);
  }

  /** Starts the demo as npm does: in a shell, which keeps signals to itself. */
  demoInShell(...args: readonly string[]): Run {
    const words = [process.execPath, this.demoFile, ...args].map((word) => `'${word}'`).join(' ');
    return new Run(spawn('sh', ['-c', `${words}; true`], { cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'] }));
  }

  /** What a person types, on a terminal. */
  demoByNpm(): Terminal {
    return new Terminal('npm_config_update_notifier=false npm run demo', { cwd: this.folder });
  }

  /** Starts what a person would paste: `npx dp3-cluster ...`. */
  pasted(command: string): Run {
    const words = command.trim().split(' ');
    if (words.shift() !== 'npx' || words.shift() !== 'dp3-cluster') throw new Error(`not a command: ${command}`);
    return this.start([join(this.folder, 'dist', 'bin', 'dp3-cluster.js'), ...words]);
  }

  /** Process ids of what runs from this folder, whoever started it. */
  processes(): number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && commandLineOf(name).includes(this.folder))
      .map(Number);
  }

  remove(): void {
    for (const pid of this.processes()) killQuietly(pid);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private start(args: readonly string[]): Run {
    const env = { ...process.env, ...this.environment };
    return new Run(spawn(process.execPath, args, { cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'], env }));
  }
}

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
