/** What a person types into a shell, line by line, in a folder; what was started in the background ends with the test. */
import { spawn } from 'node:child_process';
import { onTestFinished } from 'vitest';
import { type Ended, Run } from './run.js';

/** What npm, the test runner and earlier tests have set for themselves. */
const OURS =
  /^(npm_(command|execpath|lifecycle_|package_|config_(loglevel|local_prefix|node_gyp))|NODE_|VITEST|TEST$|DP3_)/i;

export class Person {
  private readonly env: NodeJS.ProcessEnv;

  constructor(
    private readonly folder: string,
    environment: Readonly<Record<string, string>> = {},
  ) {
    const inherited = Object.entries(process.env).filter(([name]) => !OURS.test(name));
    // npm looks into its cache before it asks anybody, and says nothing of newer versions of itself.
    const quick = { npm_config_prefer_offline: 'true', npm_config_update_notifier: 'false', npm_config_audit: 'false' };
    this.env = { ...Object.fromEntries(inherited), ...quick, ...environment };
  }

  /** Starts a line and does not wait for its end. */
  starts(line: string): Run {
    const child = spawn('sh', ['-c', line], {
      cwd: this.folder,
      env: this.env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const run = new Run(child);
    onTestFinished(async () => {
      endGroup(child.pid);
      await run.ended;
    });
    return run;
  }

  /** Types a line and waits until it has ended, however. */
  tries(line: string): Promise<Ended> {
    return this.starts(line).ended;
  }

  /** Types a line that must end well. */
  async types(line: string): Promise<Ended> {
    const ended = await this.tries(line);
    if (ended.code !== 0) throw new Error(`${line} ended with ${ended.code}:\n${ended.stdout}\n${ended.stderr}`);
    return ended;
  }
}

/** Kills what is left of a process and all that it started. */
function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing is left.
  }
}
